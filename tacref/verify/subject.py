"""The function under test, called as its adapter promises, and what came back."""

import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tacref.verify.problems import DEFAULTS, Inputs, Problem, Spec

Framework = Literal["torch", "numpy"]


class SubjectError(Exception):
    """The function raised, or returned what no adapter may return."""


@dataclass(frozen=True)
class Outcome:
    """What a function returned: a value an item, gradients `(B, ...)`, None where there is none."""

    values: np.ndarray
    gradients: tuple[np.ndarray | None, ...]


@dataclass(frozen=True)
class Subject:
    """A function and the equation that it claims to compute.

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
    """

    fn: Callable[..., Any]
    spec: Spec
    name: str
    framework: Framework = "torch"

    def offers(self, option: str) -> bool:
        """Whether the function names an option among its parameters."""
        try:
            return option in inspect.signature(self.fn).parameters
        except (TypeError, ValueError):
            return False

    def check_parameters(self) -> None:
        """Refuse a function that cannot be called as the equation asks.

        Raises
        ------
        ValueError
            If its parameters do not fit; names those that it must take.
        """
        try:
            signature = inspect.signature(self.fn)
        except (TypeError, ValueError):  # one that Python knows no parameters of
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

    def run(self, problem: Problem, dtype: type = np.float64) -> Outcome:
        """Call the function on one problem, as a batch of one.

        Raises
        ------
        SubjectError
            If the function raises, or returns something else than promised.
        """
        arrays: list[np.ndarray] = [array.astype(dtype) for array in problem.inputs]
        if self.framework == "numpy":
            return self._run_numpy(arrays, problem.options)
        return self.run_batch([array[None] for array in arrays], problem.options)

    def run_batch(self, arrays: Sequence[np.ndarray], options: dict[str, Any]) -> Outcome:
        """Call a torch function on arrays `(B, ...)`.

        Raises
        ------
        SubjectError
            If the function raises, or returns something else than promised.
        """
        import torch

        leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
        given = {
            name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            for name, value in options.items()
        }
        values = self.values(leaves, given)
        if not values.requires_grad:
            return Outcome(values.numpy(), (None,) * len(leaves))
        try:
            gradients = torch.autograd.grad(values.sum(), leaves, allow_unused=True)
        except Exception as error:  # anybody's code may raise anything
            raise SubjectError(f"backward raised {_line(error)}") from error
        for leaf, array in zip(leaves, arrays, strict=True):
            if not np.array_equal(leaf.detach().numpy(), array, equal_nan=True):
                raise InputModifiedError("the function changed its input in place")
        return Outcome(
            values.detach().to(torch.float64).numpy(),
            tuple(None if g is None else g.to(torch.float64).numpy() for g in gradients),
        )

    def values(self, leaves: Sequence[Any], options: dict[str, Any]) -> Any:
        """Call a torch function on tensors; return its values, `(B,)` or `(1,)`.

        Raises
        ------
        SubjectError
            If the function raises, or returns something else than promised.
        """
        import torch

        try:
            returned = self.fn(*leaves, **options)
        except Exception as error:  # anybody's code may raise anything
            raise SubjectError(f"raised {_line(error)}") from error
        if not isinstance(returned, torch.Tensor):
            raise SubjectError(f"returned {type(returned).__name__}, expected a tensor (B,)")
        if returned.numel() not in (1, len(leaves[0])):
            raise SubjectError(
                f"returned a tensor of shape {tuple(returned.shape)}, expected ({len(leaves[0])},)"
            )
        return returned.reshape(-1)

    def _run_numpy(self, arrays: list[np.ndarray], options: dict[str, Any]) -> Outcome:
        given = [array.copy() for array in arrays]
        try:
            returned = self.fn(*given, **options)
        except Exception as error:  # anybody's code may raise anything
            raise SubjectError(f"raised {_line(error)}") from error
        for array, before in zip(given, arrays, strict=True):
            if not np.array_equal(array, before, equal_nan=True):
                raise InputModifiedError("the function changed its input in place")
        value, *gradients = returned if isinstance(returned, tuple) else (returned,)
        if np.size(value) != 1:
            raise SubjectError(f"returned a value of shape {np.shape(value)}, expected a number")
        padded = [*gradients, *[None] * (len(arrays) - len(gradients))][: len(arrays)]
        return Outcome(
            np.asarray(value, np.float64).reshape(1),
            tuple(None if g is None else np.asarray(g, np.float64)[None] for g in padded),
        )


class InputModifiedError(SubjectError):
    """The function wrote into an array that it was given."""


def takes(fn: Callable[..., Any]) -> Inputs:
    """Tell by its parameters whether a function takes costs or two embeddings."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return "costs"
    arrays = [
        each
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        and each.default is each.empty
        and each.name not in DEFAULTS
    ]
    return "embeddings" if len(arrays) == 2 else "costs"


def load_callable(target: str) -> Callable[..., Any]:
    """Import `module:name`, with the current folder on the path.

    Raises
    ------
    ValueError
        If `target` has another form, cannot be imported, or is not callable.
    """
    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute):
        raise ValueError(f"function must be given as module:name, got {target!r}")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        fn: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            fn = getattr(fn, part)
    except Exception as error:  # importing runs anybody's code
        raise ValueError(f"{target}: cannot be imported ({_line(error)})") from error
    if not callable(fn):
        raise ValueError(f"{target}: is a {type(fn).__name__}, not a function")
    return fn


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
