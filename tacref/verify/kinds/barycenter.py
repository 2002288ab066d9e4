"""The barycenter of sequences under soft-DTW, or under DTW.

What is claimed: the sequence that is returned is a stationary point of the sum of (soft-)DTW to all
sequences, and no worse than where the function starts. There may be better ones: nobody finds the
best of all but by luck.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import numpy as np

from tacref.verify.kinds.kind import (
    BACKENDS,
    GAMMA,
    Answer,
    Implementation,
    Kind,
    Option,
    Problem,
    Spec,
    numpy_options,
)

# Share of what pulls at a frame that may be left; iterations stop somewhere.
LEFT_OF_SLOPE = 1e-3
_ITERATIONS = 300


class Barycenter(Kind):
    """Sequences of one length, `(K, l, d)`, and where to start, `(n, d)`; returns `(n, d)`."""

    name = "barycenter"
    equation = "a stationary point of the sum over sequences"
    names = ("sequences", "start")
    variants = ("soft", "dba")
    has_gradients = False
    framework = "numpy"
    frameworks = ("numpy",)
    reader = "slope_of_objective"
    options: ClassVar[dict[str, Option]] = {"gamma": GAMMA}

    def options_of(self, variant: str) -> dict[str, Option]:
        """See `Kind`."""
        return {} if variant == "dba" else self.options

    def in_decimals(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`: the slope is 0, whatever the inputs."""
        return 0.0, ()

    def in_wide_floats(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        return 0.0, ()

    def value_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`."""
        return LEFT_OF_SLOPE

    def draw_inputs(
        self, rng: np.random.Generator, n: int, m: int, d: int, spread: float
    ) -> list[np.ndarray]:
        """See `Kind`: n sequences, and m frames of the barycenter."""
        return [spread * rng.normal(size=(n, m + 2, d)), spread * rng.normal(size=(m, d))]

    def own(self, backends: tuple[str, ...] = BACKENDS) -> Iterator[Implementation]:
        """See `Kind`."""
        yield _barycenter, numpy_options("alignment.barycenter", self.name)
        # With so small a gamma only the cheapest path counts.
        yield (
            partial(_barycenter, gamma=1e-6),
            numpy_options("alignment.barycenter gamma 1e-6", self.name, variant="dba"),
        )


def _barycenter(sequences: Any, start: Any, *, gamma: float) -> np.ndarray:
    from tacref.alignment import barycenter

    return barycenter(sequences, start=start, gamma=gamma, iterations=_ITERATIONS)


KIND = Barycenter()
