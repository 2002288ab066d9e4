"""The function under test: its parameters, and what was noticed while it was called."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tacref.verify.cases import Case
from tacref.verify.spec import DEFAULTS, OTHERS, Inputs, Spec

Framework = Literal["torch", "numpy"]


@dataclass(frozen=True)
class Outcome:
    """What a function returned.

    Parameters
    ----------
    values : ndarray of float64, shape (B,) or (1,)
        A value an item, or one number for the batch.
    gradients : tuple of ndarray of float64 or None
        One an input, `(B, ...)`; None where there is none.
    no_gradient : str
        Why there is none at all.
    """

    values: np.ndarray
    gradients: tuple[np.ndarray | None, ...] = ()
    no_gradient: str = ""


@dataclass
class Subject:
    """A function, the equation that it claims to compute, and what is known of it so far.

    Parameters
    ----------
    fn : callable
        With torch: tensors `(B, ...)` first, options by keyword, returns a value an item `(B,)`,
        or the sum or mean over them. With NumPy: arrays of one item, returns
        `(value, gradient, ...)`.
    spec : Spec
        The equation.
    name : str
        What to call it.
    framework : {"torch", "numpy"}
        Which of the two.
    reduction : {"none", "sum", "mean", "neither"}
        What it returns of a batch, once that is known.
    differentiable : bool
        False once the card says that it has no gradients; they are not looked at again.
    heeds_upstream : bool
        False once the card says that the gradient from above is wrong; 1 is used from then on.
    wrong_options : set of str
        Options that the card says are wrong; they have their default from then on.
    seconds : float
        What the last call took, with its gradients.
    modified_by : Case, optional
        A call that wrote into its inputs.
    changed : dict of str to Case
        Global state that was changed, and the call that did.
    """

    fn: Callable[..., Any]
    spec: Spec
    name: str
    framework: Framework = "torch"
    reduction: str = "none"
    differentiable: bool = True
    heeds_upstream: bool = True
    wrong_options: set[str] = field(default_factory=set)
    seconds: float = 0.0
    modified_by: Case | None = None
    changed: dict[str, Case] = field(default_factory=dict)

    @property
    def gradients(self) -> tuple[str, ...]:
        """Names of the inputs whose gradients are looked at."""
        return self.spec.gradients if self.differentiable else ()

    @property
    def takes_batches(self) -> bool:
        """Whether a batch can be held to anything."""
        return self.framework == "torch" and self.reduction != "neither"

    def other_options(self) -> dict[str, Any]:
        """Return other options than by default, as far as they are not known to be wrong."""
        return {
            name: (DEFAULTS if name in self.wrong_options else OTHERS)[name]
            for name in self.spec.options
        }

    def offers(self, *options: str) -> bool:
        """Whether the function names all of these among its parameters."""
        signature = _signature(self.fn)
        return signature is not None and all(each in signature.parameters for each in options)

    def check_parameters(self) -> None:
        """Refuse a function that cannot be called as the equation asks.

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
            wanted = ", ".join((*self.spec.names, *(f"{name}=" for name in self.spec.options)))
            bare = signature.replace(
                parameters=[
                    each.replace(annotation=each.empty, default=each.empty)
                    for each in signature.parameters.values()
                ],
                return_annotation=signature.empty,
            )
            raise ValueError(
                f"{self.name}: must take ({wanted}) to be checked as {self.spec.loss} of "
                f"{self.spec.inputs}, takes {bare}"
            ) from None


def takes(fn: Callable[..., Any]) -> Inputs:
    """Tell by its parameters whether a function takes costs or two embeddings."""
    signature = _signature(fn)
    if signature is None:
        return "costs"
    arrays = [
        each
        for each in signature.parameters.values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        and each.default is each.empty
        and each.name not in DEFAULTS
    ]
    return "embeddings" if len(arrays) == 2 else "costs"


def _signature(fn: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(fn)
    except Exception:  # Python knows no parameters of it, or it answers with code of its own
        return None
