"""Soft-DTW, of costs or of two embeddings."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tacref.verify import long_oracle, oracle, path_oracle
from tacref.verify.kinds.dtw import DTW, is_plain, steps_and_band
from tacref.verify.kinds.kind import (
    BACKENDS,
    GAMMA,
    Answer,
    Implementation,
    Option,
    Term,
    largest_entry,
    numpy_options,
)

if TYPE_CHECKING:
    from tacref.verify.problems import Problem
    from tacref.verify.spec import Spec


class SoftDTW(DTW):
    """Equation 4."""

    name = "soft_dtw"
    equation = "equation 4"
    has_gradients = True
    options: ClassVar[dict[str, Option]] = {"gamma": GAMMA}
    settings = tuple({"gamma": gamma} for gamma in (0.1, 1.0, 0.01, 10.0))

    def in_decimals(
        self, spec: "Spec", inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        arrays = [oracle.to_decimals(array) for array in inputs]
        gamma = Decimal(float(options["gamma"]))
        costs = arrays[0] if spec.inputs == "costs" else oracle.squared_distances(*arrays)
        if is_plain(spec, options):
            value, E = oracle.soft_dtw(costs, gamma, options.get("band"))
        else:
            path = steps_and_band(spec, inputs, options)
            value, weights = path_oracle.soft_dtw(np.array(costs), gamma, *path)
            E = weights.tolist()
        gradients = (E,) if spec.inputs == "costs" else oracle.to_embeddings(E, *arrays)
        return float(value), tuple(oracle.to_floats(gradient) for gradient in gradients)

    def in_wide_floats(
        self, spec: "Spec", inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        D = inputs[0] if spec.inputs == "costs" else long_oracle.squared_distances(*inputs)
        if is_plain(spec, options):
            value, E = long_oracle.soft_dtw(D, options["gamma"], options.get("band"))
        else:
            path = steps_and_band(spec, inputs, options)
            value, E = path_oracle.soft_dtw(D.astype(long_oracle.Wide), options["gamma"], *path)
        gradients = (E,) if spec.inputs == "costs" else long_oracle.to_embeddings(E, *inputs)
        return float(value), tuple(gradient.astype(np.float64) for gradient in gradients)

    def gradient_tolerance(self, problem: "Problem", epsilon: float) -> float:
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
    x: Any, y: Any, *, gamma: float, backend: str, lengths_x: Any = None, lengths_y: Any = None
) -> Any:
    from tacref.losses import SoftDTWLoss

    loss = SoftDTWLoss(gamma=gamma, reduction="none", backend=backend)
    return loss(x, y, lengths_x=lengths_x, lengths_y=lengths_y)


KIND = SoftDTW()
