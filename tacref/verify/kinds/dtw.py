"""DTW: its value; the gradient is not checked."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np

from tacref.verify import long_oracle, oracle, path_oracle
from tacref.verify.band_cells import cells_inside
from tacref.verify.kinds.kind import (
    BACKENDS,
    Answer,
    Implementation,
    Kind,
    Problem,
    Spec,
    numpy_options,
)


class DTW(Kind):
    """Equation 2: the least cost of a path."""

    name = "dtw"
    equation = "equation 2"
    takes_costs = True
    has_gradients = False
    takes_steps = True
    takes_band = True

    def of_decimals(
        self, costs: oracle.Matrix, spec: Spec, options: dict[str, Any]
    ) -> tuple[Decimal, oracle.Matrix | None]:
        """Return the value of a matrix of costs, and its gradient if that is checked."""
        inside = cells_inside(len(costs), len(costs[0]), options)
        steps = steps_of(spec, options)
        if steps == "any":
            return oracle.dtw(costs, inside), None
        return path_oracle.dtw(np.array(costs), steps, inside), None

    def of_wide_floats(
        self, D: np.ndarray, spec: Spec, options: dict[str, Any]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the same in wide floats."""
        n, m = D.shape
        inside, steps = cells_inside(n, m, options), steps_of(spec, options)
        if steps == "any":
            return long_oracle.dtw(D, inside), None
        return path_oracle.dtw(D.astype(long_oracle.Wide), steps, inside), None

    def in_decimals(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        arrays = [oracle.to_decimals(array) for array in inputs]
        costs = arrays[0] if spec.inputs == "costs" else oracle.squared_distances(*arrays)
        value, E = self.of_decimals(costs, spec, options)
        if E is None:
            return float(value), ()
        gradients = (E,) if spec.inputs == "costs" else oracle.to_embeddings(E, *arrays)
        return float(value), tuple(oracle.to_floats(gradient) for gradient in gradients)

    def in_wide_floats(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        D = inputs[0] if spec.inputs == "costs" else long_oracle.squared_distances(*inputs)
        value, E = self.of_wide_floats(D, spec, options)
        if E is None:
            return float(value), ()
        gradients = (E,) if spec.inputs == "costs" else long_oracle.to_embeddings(E, *inputs)
        return float(value), tuple(gradient.astype(np.float64) for gradient in gradients)

    def value_tolerance(self, problem: Problem, epsilon: float) -> float:
        """See `Kind`: every step adds a rounding error of an accumulated cost."""
        length = sum(problem.shape)
        gamma = problem.options.get("gamma", 0.0)
        return 16 * epsilon * length**2 * (problem.scale + 1.1 * gamma)

    def own(self, backends: tuple[str, ...] = BACKENDS) -> Iterator[Implementation]:
        """See `Kind`."""
        from tacref import reference

        yield reference.dtw, numpy_options("reference.dtw", "dtw")


def steps_of(spec: Spec, options: dict[str, Any]) -> str:
    """Return the steps that are asked for, or else those of the equation."""
    return str(options.get("steps", spec.steps))


KIND = DTW()
