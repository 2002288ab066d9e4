"""LAV: soft-DTW with Contrastive-IDM of both sequences."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

import numpy as np

from tacref.variants import VARIANTS
from tacref.verify import long_oracle, oracle
from tacref.verify.kinds import contrastive_idm, soft_dtw
from tacref.verify.kinds.contrastive_idm import FAR, MARGIN, NEAR, SIGMA
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
    numpy_options,
)


class LAV(Kind):
    """Equation 8."""

    name = "lav"
    equation = "equation 8"
    options: ClassVar[dict[str, Option]] = {
        "gamma": GAMMA,
        "alpha": Option(0.5, (0.0, 0.1, 1, 3.0), 1.3),
        "sigma": SIGMA,
        "margin": MARGIN,
    }
    variants = tuple(VARIANTS)
    settings = soft_dtw.KIND.settings
    long_frames = 300  # more takes seconds, and has rows where its terms are checked alone

    def in_decimals(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        x, y = map(oracle.to_decimals, inputs)
        gamma, alpha, sigma, margin = (Decimal(float(options[name])) for name in self.options)
        value, *gradients = oracle.lav(x, y, gamma, alpha, sigma, margin, spec.variant)
        return float(value), tuple(oracle.to_floats(gradient) for gradient in gradients)

    def in_wide_floats(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        value, E = long_oracle.soft_dtw(long_oracle.squared_distances(*inputs), options["gamma"])
        aligned = long_oracle.to_embeddings(E, *inputs)
        own = [
            long_oracle.contrastive_idm(each, options["sigma"], options["margin"], spec.variant)
            for each in inputs
        ]
        frames = sum(map(len, inputs)) / 2 if spec.variant == "official" else 1
        value = (value + options["alpha"] * (own[0][0] + own[1][0])) / frames
        gradients = (
            (first + options["alpha"] * second) / frames
            for first, (_, second) in zip(aligned, own, strict=True)
        )
        return float(value), tuple(gradient.astype(np.float64) for gradient in gradients)

    def value_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`: that of soft-DTW and that of Contrastive-IDM."""
        kinds = (soft_dtw.KIND, contrastive_idm.KIND)
        return sum(kind.value_tolerance(problem, epsilon) for kind in kinds)

    def gradient_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`: that of soft-DTW."""
        return soft_dtw.KIND.gradient_tolerance(problem, epsilon)

    def terms(self) -> Iterator[Term]:
        """See `Kind`."""
        without = {"alpha": 0.0}
        for argument, name in enumerate(self.names):
            yield Term(f"alignment to {name}", argument, (3, 3), NEAR | without)
            for term, settings in (("near", NEAR), ("far", FAR)):
                title = f"regularizer, {term} frames, to {name}"
                yield Term(title, argument, (3, 3), settings, settings | without)

    def own(self, backends: tuple[str, ...] = BACKENDS) -> Iterator[Implementation]:
        """See `Kind`: one variant of the slow backend, for its two terms have cards."""
        from tacref import reference

        for variant in VARIANTS:
            yield (
                partial(reference.lav_loss_value_and_grad, variant=variant),
                numpy_options(f"reference.lav_loss {variant}", "lav", variant=variant),
            )
            for backend in backends if variant == self.variants[0] else backends[:1]:
                name = f"losses.LAVLoss {variant} {backend}"
                yield (
                    partial(_lav_loss, variant=variant, backend=backend),
                    {"name": name, "loss": "lav", "variant": variant},
                )


def _lav_loss(
    x: Any, y: Any, *, lengths_x: Any = None, lengths_y: Any = None, **options: Any
) -> Any:
    from tacref.losses import LAVLoss

    loss = LAVLoss(reduction="none", **options)
    return loss(x, y, lengths_x=lengths_x, lengths_y=lengths_y).loss


KIND = LAV()
