"""One call of a function: a batch of problems, how to call, and the right results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tacref.verify.kinds.kind import largest_entry
from tacref.verify.problems import Problem
from tacref.verify.spec import Spec

EPSILON = float(np.finfo(np.float64).eps)
EPSILON_32 = float(np.finfo(np.float32).eps)
# Of the largest entry of a gradient: if float32 may be off by more, a gradient is not compared.
MOST_OF_FLOAT32 = 0.1
# Reductions of a batch to one number: the weight of each of its B items.
REDUCTIONS = {"sum": lambda B: 1.0, "mean": lambda B: 1.0 / B}


@dataclass(frozen=True)
class Case:
    """One call, and the calls around it.

    Parameters
    ----------
    problems : tuple of Problem
        The items of the batch, all with the same options.
    label : str
        What is special about it; part of the note of a row that fails.
    upstream : tuple of float, optional
        The gradient from above, one per item. By default the sum of the items is differentiated.
    dtype : {"float64", "float32"}
        Of the inputs; by default that of the equation's `Spec`.
    digits : int
        Digits that must be right in float32, or if the case is coarse.
    coarse : bool
        Whether only these digits must be right in float64, too.
    layout : str
        Code that changes the memory layout, with `{}` for an input; empty for contiguous inputs.
    lengths : bool
        Whether the lengths of the items are passed.
    gradients_of : tuple of bool, optional
        Which inputs require a gradient. By default all do.
    before : tuple of Case
        Calls made just before.
    between : tuple of Case
        Calls made after this one, before its result is read and its gradient is taken.
    same_tensors : bool
        Whether these inputs are written into those of the only call in `before`.
    backward_twice : bool
        Whether another gradient of the same result is taken first.
    """

    problems: tuple[Problem, ...]
    label: str = ""
    upstream: tuple[float, ...] | None = None
    dtype: str = ""
    digits: int = 4
    coarse: bool = False
    layout: str = ""
    lengths: bool = False
    gradients_of: tuple[bool, ...] | None = None
    before: tuple["Case", ...] = ()
    between: tuple["Case", ...] = ()
    same_tensors: bool = False
    backward_twice: bool = False

    def __post_init__(self) -> None:
        """Take the type of the inputs from the equation, if none is given."""
        object.__setattr__(self, "dtype", self.dtype or self.spec.dtype)

    @property
    def spec(self) -> Spec:
        """The equation."""
        return self.problems[0].spec

    @property
    def counts_digits(self) -> bool:
        """Whether only some digits must be right."""
        return self.coarse or self.dtype == "float32"

    @property
    def is_plain(self) -> bool:
        """Whether the call stands alone."""
        return not (self.before or self.between or self.backward_twice)

    def requires_gradient(self, argument: int) -> bool:
        """Whether an input requires a gradient."""
        return self.gradients_of is None or self.gradients_of[argument]

    def arrays(self) -> list[np.ndarray]:
        """Return the inputs `(B, ...)`, padded with NaN."""
        columns = zip(*(problem.inputs for problem in self.problems), strict=True)
        return [padded(column).astype(self.dtype) for column in columns]

    def options(self) -> dict[str, Any]:
        """Return the options of the call; those with one value per item are arrays of int."""
        options = dict(self.problems[0].options)
        options.pop("cells", None)  # which cells a band means is for the function to know
        for single, batched in (("times", "times"), ("video_length", "video_lengths")):
            if single in options:
                del options[single]
                options[batched] = np.array([p.options[single] for p in self.problems])
        if self.lengths:
            columns = zip(*(problem.shape for problem in self.problems), strict=True)
            lengths = (np.array(column) for column in columns)
            options |= dict(zip(self.spec.length_names, lengths, strict=False))
        return options

    def weights(self, reduction: str) -> np.ndarray:
        """Return the weight of each item: the gradient from above, times its share in a mean."""
        B = len(self.problems)
        upstream = np.ones(B) if self.upstream is None else np.array(self.upstream)
        if reduction in REDUCTIONS:
            return np.full(B, upstream[0] * REDUCTIONS[reduction](B))
        return upstream

    def right_values(self, reduction: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the right values and the allowed errors: `(B,)`, or `(1,)` if reduced."""
        B = len(self.problems)
        right = np.array([problem.answer[0] for problem in self.problems])
        if self.counts_digits:
            scales = [problem.scale for problem in self.problems]
            allowed = np.maximum(np.abs(right), scales) * 10.0**-self.digits
            if self.spec.dtype == "float32":
                rounding = [problem.value_tolerance(EPSILON_32) for problem in self.problems]
                allowed = np.maximum(allowed, rounding)
        else:
            allowed = np.array([problem.value_tolerance(EPSILON) for problem in self.problems])
        if reduction not in REDUCTIONS:
            return right, allowed
        share = REDUCTIONS[reduction](B)
        of_sum = EPSILON * B * np.abs(right).sum() if not self.counts_digits else 0.0
        return share * right.sum(keepdims=True), share * (allowed.sum(keepdims=True) + of_sum)

    def right_gradient(self, argument: int, reduction: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the right gradient `(B, ...)`, 0 in the padding, and the allowed errors."""
        gradients = [problem.answer[1][argument] for problem in self.problems]
        tolerances = [
            self._tolerance_by_digits(problem, gradient)
            if self.counts_digits
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

    def _tolerance_by_digits(self, problem: Problem, gradient: np.ndarray) -> float:
        """Return the allowed error by digits; where all is float32, at least its rounding."""
        largest = max(float(np.abs(gradient).max()), 1.0 if self.coarse else 0.0)
        by_digits = largest * 10.0**-self.digits
        if self.dtype == "float32":  # terms near 1 that cancel are rounded before they do
            by_digits = max(by_digits, 8 * EPSILON_32)
        if self.spec.dtype == "float64":
            return by_digits
        return max(by_digits, problem.gradient_tolerance(EPSILON_32))

    def compares_gradients(self) -> bool:
        """Whether float32, where all is, holds a digit of the gradients."""
        if self.spec.dtype == "float64" or not self.spec.gradients:
            return True
        return all(
            each.gradient_tolerance(EPSILON_32) <= MOST_OF_FLOAT32 * largest_entry(each.answer)
            for each in self.problems
        )


def padded(arrays: Sequence[np.ndarray], padding: float = np.nan) -> np.ndarray:
    """Stack arrays of different shapes, padded at their ends."""
    shape = np.max([array.shape for array in arrays], axis=0)
    stacked = np.full((len(arrays), *shape), padding)
    for item, array in zip(stacked, arrays, strict=True):
        item[tuple(slice(size) for size in array.shape)] = array
    return stacked
