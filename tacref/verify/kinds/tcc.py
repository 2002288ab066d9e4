"""Temporal cycle-consistency, by regression of positions."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
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

# An exponential of decimals takes as long as this many cells of DTW.
SLOWNESS = 8
# Of the value: where costs are large, one frame has all the weight, and rounding changes nothing.
_MOST = 1e-3


class TCC(Kind):
    """Half the mean over the frames of each sequence, by way of the other and back."""

    name = "tcc"
    equation = "TCC of docs/equations.md"
    options: ClassVar[dict[str, Option]] = {
        "temperature": Option(1.0, (0.3, 0.7, 2, 20.0), 1.5),
    }
    variants = ("regression_mse_var", "regression_mse")
    long_frames = 300  # without a recursion, more show nothing else
    settings = tuple({"temperature": temperature} for temperature in (1.0, 0.3, 10.0))

    def in_decimals(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        x, y = map(softmax_oracle.as_decimals, inputs)
        temperature = Decimal(float(options["temperature"]))
        return as_floats(softmax_oracle.tcc(x, y, temperature, spec.variant))

    def in_wide_floats(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        x, y = (array.astype(np.longdouble) for array in inputs)
        temperature = np.longdouble(options["temperature"])
        return as_floats(softmax_oracle.tcc(x, y, temperature, spec.variant))

    def cells(self, spec: Spec, inputs: tuple[np.ndarray, ...]) -> int:
        """See `Kind`: frames are compared with those of the same sequence, too."""
        return SLOWNESS * max(map(len, inputs)) ** 2

    def value_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`.

        Rounding a cost changes a weight by eps (1 + cost / temperature) of itself, and that of the
        first softmax goes through the second: squared. A position is off by as much, and the loss
        by its slopes in mean and variance, which grow with the value where a variance is small.
        """
        share = 16 * epsilon * sum(problem.shape) * _weights(problem) ** 2
        return min(share, _MOST) * _steepness(problem)

    def gradient_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`: once more through both softmaxes than the value."""
        share = 32 * epsilon * sum(problem.shape) * _weights(problem) ** 3
        return min(share, _MOST) * largest_entry(problem.answer) * _steepness(problem)

    def own(self, backends: tuple[str, ...] = BACKENDS) -> Iterator[Implementation]:
        """See `Kind`."""
        from tacref import losses, reference

        for variant in self.variants:
            yield (
                partial(reference.tcc_loss_value_and_grad, form=variant),
                numpy_options(f"reference.tcc_loss {variant}", self.name, variant=variant),
            )
            yield (
                partial(losses.tcc_loss, form=variant),
                {"name": f"losses.tcc_loss {variant}", "loss": self.name, "variant": variant},
            )


def as_floats(answer: tuple[Any, np.ndarray, np.ndarray]) -> Answer:
    """Round an answer to float64."""
    value, *gradients = answer
    return float(value), tuple(gradient.astype(np.float64) for gradient in gradients)


def _weights(problem: Problem) -> float:
    return float(1.0 + problem.scale / problem.options["temperature"])


def _steepness(problem: Problem) -> float:
    return 1.0 + abs(problem.answer[0])


KIND = TCC()
