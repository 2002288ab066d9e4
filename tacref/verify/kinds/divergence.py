"""Soft-DTW divergence: soft-DTW less half that of each sequence with itself."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from tacref.verify.kinds import soft_dtw
from tacref.verify.kinds.kind import (
    BACKENDS,
    GAMMA,
    Answer,
    Implementation,
    Kind,
    Option,
    Problem,
    Spec,
    Term,
    largest_entry,
    numpy_options,
)


class Divergence(Kind):
    """dtw_gamma(X, Y) - (dtw_gamma(X, X) + dtw_gamma(Y, Y)) / 2, of squared distances."""

    name = "divergence"
    equation = "dtw(X, Y) - dtw(X, X)/2 - dtw(Y, Y)/2 by equation 4"
    options: ClassVar[dict[str, Option]] = {"gamma": GAMMA}
    settings = soft_dtw.KIND.settings
    takes_steps = True
    takes_band = True
    long_frames = 300  # more takes seconds, and has rows where soft-DTW is checked alone

    def in_decimals(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        return self._answer(soft_dtw.KIND.in_decimals, spec, inputs, options)

    def in_wide_floats(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        return self._answer(soft_dtw.KIND.in_wide_floats, spec, inputs, options)

    def _answer(
        self, right: Any, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        x, y = inputs
        value, (grad_x, grad_y) = right(spec, (x, y), options)
        # Each is rounded to float64, which the allowed error has room for.
        value_x, (row_x, column_x) = right(spec, (x, x), options)
        value_y, (row_y, column_y) = right(spec, (y, y), options)
        return value - (value_x + value_y) / 2, (
            grad_x - (row_x + column_x) / 2,
            grad_y - (row_y + column_y) / 2,
        )

    def cells(self, spec: Spec, inputs: tuple[np.ndarray, ...]) -> int:
        """See `Kind`."""
        return max(map(len, inputs)) ** 2

    def value_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`: that of soft-DTW, for two terms of the longer sequence with itself."""
        longest, gamma = 2 * max(problem.shape), problem.options["gamma"]
        return 2 * 16 * epsilon * longest**2 * (2 * problem.scale + 1.1 * gamma)

    def gradient_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`: that of soft-DTW, of terms with gradients of a few distances, that cancel."""
        longest, gamma = 2 * max(problem.shape), problem.options["gamma"]
        condition = longest * (2 * problem.scale + 1.1 * gamma) / gamma
        largest = max(largest_entry(problem.answer), problem.scale**0.5)
        return 2 * 32 * epsilon * longest * (1 + condition) * largest

    def terms(self) -> Iterator[Term]:
        """See `Kind`."""
        for argument, name in enumerate(self.names):
            yield Term(f"divergence to {name}", argument, (3, 2), {})

    def own(self, backends: tuple[str, ...] = BACKENDS) -> Iterator[Implementation]:
        """See `Kind`."""
        from tacref import losses, reference

        yield (
            reference.soft_dtw_divergence_value_and_grad,
            numpy_options("reference.soft_dtw_divergence", self.name),
        )
        yield (
            losses.soft_dtw_divergence,
            {"name": "losses.soft_dtw_divergence", "loss": self.name},
        )


KIND = Divergence()
