"""Sequence contrastive loss between two views of one video."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np

from tacref.verify import softmax_oracle
from tacref.verify.kinds.kind import (
    BACKENDS,
    Answer,
    Implementation,
    Kind,
    Option,
    Problem,
    Spec,
    largest_entry,
    numpy_options,
)
from tacref.verify.kinds.tcc import SLOWNESS, as_floats


class SequenceContrastive(Kind):
    """Divergence of similarities from nearness in time, half over the frames of each view."""

    name = "sequence_contrastive"
    equation = "SCL of docs/equations.md"
    options: ClassVar[dict[str, Option]] = {
        "sigma": Option(2.0, (0.5, 1, 3.5, 20.0), 1.5),
        "temperature": Option(0.5, (0.1, 0.3, 2, 20.0), 0.8),
    }
    long_frames = 300  # without a recursion, more show nothing else
    settings = tuple({"temperature": temperature} for temperature in (0.5, 0.1, 10.0))

    def in_decimals(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        x, y = map(softmax_oracle.as_decimals, inputs)
        numbers = (Decimal(float(options[name])) for name in self.options)
        return as_floats(softmax_oracle.sequence_contrastive(x, y, *numbers))

    def in_wide_floats(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        x, y = (array.astype(np.longdouble) for array in inputs)
        numbers = (np.longdouble(options[name]) for name in self.options)
        return as_floats(softmax_oracle.sequence_contrastive(x, y, *numbers))

    def cells(self, spec: Spec, inputs: tuple[np.ndarray, ...]) -> int:
        """See `Kind`."""
        return SLOWNESS * super().cells(spec, inputs)

    def value_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`: a logarithm of a weight is off by its logit's rounding error."""
        return 16 * epsilon * sum(problem.shape) * _logits(problem)

    def gradient_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`: a weight is off by that of itself, times a row of x or y over temperature."""
        row = problem.scale**0.5 / problem.options["temperature"]
        largest = max(largest_entry(problem.answer), row)
        return 16 * epsilon * sum(problem.shape) * _logits(problem) * largest

    def own(self, backends: tuple[str, ...] = BACKENDS) -> Iterator[Implementation]:
        """See `Kind`."""
        from tacref import losses, reference

        yield (
            reference.sequence_contrastive_loss_value_and_grad,
            numpy_options("reference.sequence_contrastive_loss", self.name),
        )
        yield (
            losses.sequence_contrastive_loss,
            {"name": "losses.sequence_contrastive_loss", "loss": self.name},
        )


def _logits(problem: Problem) -> float:
    """Return a bound on the logits: similarities over temperature, and squared gaps in time."""
    gap = max(problem.shape) / problem.options["sigma"]
    return float(1.0 + problem.scale / problem.options["temperature"] + gap**2)


KIND = SequenceContrastive()
