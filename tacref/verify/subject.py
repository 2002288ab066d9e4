"""The function to check: its parameters, and what its calls have shown."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from tacref.verify.band_cells import OFFSET
from tacref.verify.cases import Case
from tacref.verify.readers import READERS
from tacref.verify.spec import OPTION_NAMES, Inputs, Spec

Framework = Literal["torch", "numpy", "jax"]
FRAMEWORKS: tuple[Framework, ...] = get_args(Framework)


@dataclass(frozen=True)
class Outcome:
    """What a function returned.

    Parameters
    ----------
    values : ndarray of float64, shape (B,) or (1,)
        One value per item, or one number for the batch.
    gradients : tuple of ndarray of float64 or None
        One per input, `(B, ...)`; None if it has none.
    no_gradient : str
        Why there are no gradients at all.
    """

    values: np.ndarray
    gradients: tuple[np.ndarray | None, ...] = ()
    no_gradient: str = ""


@dataclass
class Subject:
    """A function, the equation that it claims to compute, and what is known about it so far.

    Parameters
    ----------
    fn : callable
        With torch it takes tensors `(B, ...)` and options by keyword, and returns one value per
        item `(B,)`, or their sum or mean. With NumPy it takes the arrays of one item and returns
        `(value, gradient, ...)`.
    spec : Spec
        The equation.
    name : str
        Its name on the card.
    framework : {"torch", "numpy", "jax"}
        What it computes with. A JAX function takes the arrays of one item, and returns the value.
    reader : str, optional
        Name of the reader that makes a number of what it returns, empty for none; by default that
        of the equation.
    reduction : {"none", "sum", "mean", "neither"}
        How it reduces a batch, once that is known.
    differentiable : bool
        False once a row says that it has no gradients; they are not checked again.
    coarse : bool
        True once a row says that it rounds to float32; later claims ask for fewer digits.
    uses_upstream : bool
        False once a row says that it ignores the gradient from above; from then on 1 is used.
    band_cells : str, optional
        Which cells a band means, a key of `band_cells.DEFINITIONS` or `FRACTIONS`; None if no
        definition fits.
    band_of_0 : bool
        False once a row says that a band of 0 means no band.
    wrong_options : set of str
        Options that failed in a row; from then on they keep their defaults.
    seconds : float
        Duration of the last call, gradients included.
    modified_by : Case, optional
        A call that wrote into its inputs.
    changed : dict of str to Case
        Global state that was changed, and the call that changed it.
    """

    fn: Callable[..., Any]
    spec: Spec
    name: str
    framework: Framework = "torch"
    reader: str | None = None
    reduction: str = "none"
    differentiable: bool = True
    coarse: bool = False
    uses_upstream: bool = True
    band_cells: str | None = OFFSET
    band_of_0: bool = True
    wrong_options: set[str] = field(default_factory=set)
    seconds: float = 0.0
    modified_by: Case | None = None
    changed: dict[str, Case] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take the reader from the equation, if none is given."""
        if self.reader is None:
            self.reader = self.spec.kind.reader

    @property
    def gradients(self) -> tuple[str, ...]:
        """Names of the inputs whose gradients are checked."""
        return self.spec.gradients if self.differentiable else ()

    @property
    def takes_batches(self) -> bool:
        """Whether its result for a batch can be checked."""
        return self.framework != "numpy" and self.reduction != "neither"

    @property
    def is_exact(self) -> bool:
        """Whether its results have the digits of float64, as far as is known."""
        return not self.coarse and self.spec.dtype == "float64"

    def other_options(self) -> dict[str, Any]:
        """Return values other than the defaults, except for options known to be wrong."""
        return {
            name: option.default if name in self.wrong_options else option.other
            for name, option in self.spec.numbers.items()
        }

    def call(self, *arguments: Any, **options: Any) -> Any:
        """Call the function; a band is asked for as |i - j| <= band where it has several shapes."""
        if "band" in options and self.has_parameters("band_shape"):
            options.setdefault("band_shape", "offset")
        # The function may write into its inputs, which another row says.
        read = [np.array(each) for each in arguments] if self.reader else []
        returned = self.fn(*arguments, **options)
        if self.reader:
            if self.spec.steps != "any":
                options["steps"] = self.spec.steps
            return READERS[self.reader](returned, *read, **options)
        return returned

    def has_parameters(self, *options: str) -> bool:
        """Whether the function has parameters of all these names."""
        signature = _signature(self.fn)
        return signature is not None and all(each in signature.parameters for each in options)

    def check_parameters(self) -> None:
        """Refuse a function that cannot be called as the equation requires.

        Raises
        ------
        ValueError
            If its parameters do not fit; names those that it must take.
        """
        signature = _signature(self.fn)
        if signature is None:
            return
        try:
            signature.bind(*self.spec.names, **dict.fromkeys(self.spec.options))
        except TypeError:
            expected = ", ".join((*self.spec.names, *(f"{name}=" for name in self.spec.options)))
            bare = signature.replace(
                parameters=[
                    each.replace(annotation=each.empty, default=each.empty)
                    for each in signature.parameters.values()
                ],
                return_annotation=signature.empty,
            )
            raise ValueError(
                f"{self.name}: must take ({expected}) to be checked as {self.spec.loss} of "
                f"{self.spec.inputs}, takes {bare}"
            ) from None


def guess_inputs(fn: Callable[..., Any]) -> Inputs:
    """Return whether a function takes costs or two embeddings, judging by its parameters."""
    signature = _signature(fn)
    if signature is None:
        return "costs"
    arrays = [
        each
        for each in signature.parameters.values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        and each.default is each.empty
        and each.name not in OPTION_NAMES
    ]
    return "embeddings" if len(arrays) == 2 else "costs"


def _signature(fn: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(fn)
    except Exception:  # its parameters are unknown, or asking for them runs foreign code
        return None
