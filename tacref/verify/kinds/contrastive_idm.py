"""Contrastive-IDM in its variants, of one sequence."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

import numpy as np

from tacref.variants import VARIANTS
from tacref.verify import long_oracle, oracle
from tacref.verify.kinds.kind import (
    BACKENDS,
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

SIGMA = Option(2.0, (0.0, 1, 3.5, 20.0), 1.0)
MARGIN = Option(2.0, (0.5, 1, 3.5, 6.0), 3.0)
# With sigma 0 each frame is near only itself, at distance 0.
NEAR: dict[str, Any] = {"sigma": 20.0, "margin": 2.0}
FAR: dict[str, Any] = {"sigma": 0.0, "margin": 1e3}


class ContrastiveIDM(Kind):
    """Equation 7."""

    name = "contrastive_idm"
    equation = "equation 7"
    names = ("x",)
    options: ClassVar[dict[str, Option]] = {"sigma": SIGMA, "margin": MARGIN}
    variants = tuple(VARIANTS)
    settings = tuple({"sigma": sigma} for sigma in (0.0, 1.0, 2.5, 20.0))

    def in_decimals(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        sigma, margin = (Decimal(float(options[name])) for name in ("sigma", "margin"))
        value, gradient = oracle.contrastive_idm(
            oracle.to_decimals(inputs[0]),
            sigma,
            margin,
            spec.variant,
            options.get("times"),
            options.get("video_length"),
        )
        return float(value), (oracle.to_floats(gradient),)

    def in_wide_floats(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        value, gradient = long_oracle.contrastive_idm(
            inputs[0],
            options["sigma"],
            options["margin"],
            spec.variant,
            options.get("times"),
            options.get("video_length"),
        )
        return float(value), (gradient.astype(np.float64),)

    def value_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`: it is a sum of terms >= 0."""
        return 16 * epsilon * sum(problem.shape) * (1.0 + abs(problem.answer[0]))

    def gradient_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`."""
        return 64 * epsilon * sum(problem.shape) * largest_entry(problem.answer)

    def terms(self) -> Iterator[Term]:
        """See `Kind`."""
        yield Term("near frames", 0, (3, 3), NEAR)
        yield Term("far frames", 0, (3, 3), FAR)

    def own(self, backends: tuple[str, ...] = BACKENDS) -> Iterator[Implementation]:
        """See `Kind`."""
        from tacref import losses, reference

        for variant in VARIANTS:
            yield (
                partial(reference.contrastive_idm_value_and_grad, variant=variant),
                numpy_options(f"reference.contrastive_idm {variant}", self.name, variant=variant),
            )
            for backend in backends:
                name = f"losses.contrastive_idm {variant} {backend}"
                yield (
                    partial(losses.contrastive_idm, variant=variant, backend=backend),
                    {"name": name, "loss": self.name, "variant": variant},
                )


KIND = ContrastiveIDM()
