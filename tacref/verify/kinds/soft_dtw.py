"""Soft-DTW, of costs or of two embeddings."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

import numpy as np

from tacref.verify import long_oracle, oracle, path_oracle
from tacref.verify.band_cells import cells_inside
from tacref.verify.kinds.dtw import DTW, steps_of
from tacref.verify.kinds.kind import (
    BACKENDS,
    GAMMA,
    Implementation,
    Option,
    Problem,
    Spec,
    Term,
    largest_entry,
    numpy_options,
)


class SoftDTW(DTW):
    """Equation 4."""

    name = "soft_dtw"
    equation = "equation 4"
    has_gradients = True
    options: ClassVar[dict[str, Option]] = {"gamma": GAMMA}
    settings = tuple({"gamma": gamma} for gamma in (0.1, 1.0, 0.01, 10.0))

    def of_decimals(
        self, costs: oracle.Matrix, spec: Spec, options: dict[str, Any]
    ) -> tuple[Decimal, oracle.Matrix | None]:
        """See `DTW`."""
        inside = cells_inside(len(costs), len(costs[0]), options)
        steps, gamma = steps_of(spec, options), Decimal(float(options["gamma"]))
        if steps == "any":
            return oracle.soft_dtw(costs, gamma, inside=inside)
        value, E = path_oracle.soft_dtw(np.array(costs), gamma, steps, inside)
        return value, E.tolist()

    def of_wide_floats(
        self, D: np.ndarray, spec: Spec, options: dict[str, Any]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """See `DTW`."""
        n, m = D.shape
        inside, steps = cells_inside(n, m, options), steps_of(spec, options)
        if steps == "any":
            return long_oracle.soft_dtw(D, options["gamma"], inside=inside)
        return path_oracle.soft_dtw(D.astype(long_oracle.Wide), options["gamma"], steps, inside)

    def gradient_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`.

        The rounding error of an accumulated cost, divided by gamma, is the relative error of a
        softmin weight, and (n+m) weights are multiplied: 32 eps (n+m) (1 + (n+m) (cost + gamma) /
        gamma), times the largest gradient.
        """
        length, gamma = sum(problem.shape), problem.options["gamma"]
        condition = length * (problem.scale + 1.1 * gamma) / gamma
        return 32 * epsilon * length * (1 + condition) * largest_entry(problem.answer)

    def terms(self) -> Iterator[Term]:
        """See `Kind`; of costs, "x" is the only input."""
        for argument, name in enumerate(self.names):
            yield Term(f"alignment to {name}", argument, (3, 2), {})

    def own(self, backends: tuple[str, ...] = BACKENDS) -> Iterator[Implementation]:
        """See `Kind`."""
        from tacref import losses, reference

        yield reference.soft_dtw_value_and_grad, numpy_options("reference.soft_dtw", "soft_dtw")
        for backend in backends:
            name = f"losses.soft_dtw {backend}"
            yield partial(losses.soft_dtw, backend=backend), {"name": name, "loss": "soft_dtw"}
            name = f"losses.SoftDTWLoss {backend}"
            options = {"name": name, "loss": "soft_dtw", "inputs": "embeddings"}
            yield partial(_soft_dtw_loss, backend=backend), options


def _soft_dtw_loss(
    x: Any,
    y: Any,
    *,
    gamma: float,
    backend: str,
    lengths_x: Any = None,
    lengths_y: Any = None,
    band: int | None = None,
) -> Any:
    from tacref.losses import SoftDTWLoss

    loss = SoftDTWLoss(
        gamma=gamma, reduction="none", band=band, band_shape="offset", backend=backend
    )
    return loss(x, y, lengths_x=lengths_x, lengths_y=lengths_y)


KIND = SoftDTW()
