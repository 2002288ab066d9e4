"""One call of a function: a batch of problems, how it is made, and what is right for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tacref.verify.problems import Problem
from tacref.verify.spec import Spec

EPSILON = float(np.finfo(np.float64).eps)
# One number for a batch, by name: the share that each of B items has in it.
REDUCTIONS = {"sum": lambda B: 1.0, "mean": lambda B: 1.0 / B}


@dataclass(frozen=True)
class Case:
    """One call and what comes before it.

    Parameters
    ----------
    problems : tuple of Problem
        The items of the batch; they share their options.
    label : str
        What is special about it, for the note of a row that fails.
    upstream : tuple of float, optional
        The gradient from above, one an item; without, 1 by way of a sum.
    dtype : {"float64", "float32"}
        Of the inputs.
    digits : int
        What is asked for in float32.
    layout : str
        Code that lays the inputs out in memory, with `{}` for an input; empty for contiguous.
    lengths : bool
        Whether the lengths of the items are given.
    wants : tuple of bool, optional
        Which inputs require a gradient; by default all.
    before : tuple of Case
        Calls made just before.
    between : tuple of Case
        Calls made after this one, before its result is read and its gradient is taken.
    same_tensors : bool
        Whether the inputs of the one call in `before` are overwritten with these.
    backward_twice : bool
        Whether another gradient is taken first, of the same result.
    """

    problems: tuple[Problem, ...]
    label: str = ""
    upstream: tuple[float, ...] | None = None
    dtype: str = "float64"
    digits: int = 4
    layout: str = ""
    lengths: bool = False
    wants: tuple[bool, ...] | None = None
    before: tuple["Case", ...] = ()
    between: tuple["Case", ...] = ()
    same_tensors: bool = False
    backward_twice: bool = False

    @property
    def spec(self) -> Spec:
        """The equation."""
        return self.problems[0].spec

    @property
    def is_plain(self) -> bool:
        """Whether the call stands alone."""
        return not (self.before or self.between or self.backward_twice)

    def wanted(self, which: int) -> bool:
        """Whether an input requires a gradient."""
        return self.wants is None or self.wants[which]

    def arrays(self) -> list[np.ndarray]:
        """Return the inputs `(B, ...)`; what lies beyond an item is NaN."""
        columns = zip(*(problem.inputs for problem in self.problems), strict=True)
        return [padded(column).astype(self.dtype) for column in columns]

    def options(self) -> dict[str, Any]:
        """Return the options of the call; those that are one an item are arrays of int."""
        options = dict(self.problems[0].options)
        for one, all_of_them in (("times", "times"), ("video_length", "video_lengths")):
            if one in options:
                del options[one]
                options[all_of_them] = np.array([p.options[one] for p in self.problems])
        if self.lengths:
            columns = zip(*(problem.shape for problem in self.problems), strict=True)
            lengths = (np.array(column) for column in columns)
            options |= dict(zip(self.spec.length_names, lengths, strict=False))
        return options

    def weights(self, reduction: str) -> np.ndarray:
        """Return how much each item counts: the gradient from above, and its share in a mean."""
        B = len(self.problems)
        upstream = np.ones(B) if self.upstream is None else np.array(self.upstream)
        if reduction in REDUCTIONS:
            return np.full(B, upstream[0] * REDUCTIONS[reduction](B))
        return upstream

    def right_values(self, reduction: str) -> tuple[np.ndarray, np.ndarray]:
        """Return what is right, and the allowed errors: `(B,)`, or `(1,)` if reduced."""
        B = len(self.problems)
        right = np.array([problem.answer[0] for problem in self.problems])
        if self.dtype == "float32":
            scales = [problem.scale for problem in self.problems]
            allowed = np.maximum(np.abs(right), scales) * 10.0**-self.digits
        else:
            allowed = np.array([problem.value_tolerance(EPSILON) for problem in self.problems])
        if reduction not in REDUCTIONS:
            return right, allowed
        share = REDUCTIONS[reduction](B)
        rounding = EPSILON * B * np.abs(right).sum() if self.dtype == "float64" else 0.0
        return share * right.sum(keepdims=True), share * (allowed.sum(keepdims=True) + rounding)

    def right_gradient(self, which: int, reduction: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the right gradient `(B, ...)`, 0 in the padding, and the allowed errors."""
        gradients = [problem.answer[1][which] for problem in self.problems]
        tolerances = [
            np.abs(gradient).max() * 10.0**-self.digits
            if self.dtype == "float32"
            else problem.gradient_tolerance(EPSILON)
            for problem, gradient in zip(self.problems, gradients, strict=True)
        ]
        weights = self.weights(reduction)
        right = padded([w * g for w, g in zip(weights, gradients, strict=True)], 0.0)
        allowed = padded(
            [
                np.full(g.shape, abs(w) * tolerance)
                for w, g, tolerance in zip(weights, gradients, tolerances, strict=True)
            ],
            0.0,
        )
        return right, allowed


def padded(rows: Sequence[np.ndarray], beyond: float = np.nan) -> np.ndarray:
    """Stack arrays of several shapes."""
    shape = np.max([array.shape for array in rows], axis=0)
    whole = np.full((len(rows), *shape), beyond)
    for item, array in zip(whole, rows, strict=True):
        item[tuple(slice(size) for size in array.shape)] = array
    return whole
