"""DTW: its value; the gradient is not checked."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tacref.verify import long_oracle, oracle, path_oracle
from tacref.verify.kinds.kind import BACKENDS, Answer, Implementation, Kind, numpy_options

if TYPE_CHECKING:
    from tacref.verify.problems import Problem
    from tacref.verify.spec import Spec


class DTW(Kind):
    """Equation 2: the least cost of a path."""

    name = "dtw"
    equation = "equation 2"
    takes_costs = True
    has_gradients = False
    takes_steps = True
    takes_band = True

    def in_decimals(
        self, spec: "Spec", inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        arrays = [oracle.to_decimals(array) for array in inputs]
        costs = arrays[0] if spec.inputs == "costs" else oracle.squared_distances(*arrays)
        if _is_free(spec, options):
            return float(oracle.dtw(costs)), ()
        return float(path_oracle.dtw(np.array(costs), *steps_and_band(spec, inputs, options))), ()

    def in_wide_floats(
        self, spec: "Spec", inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """See `Kind`."""
        D = inputs[0] if spec.inputs == "costs" else long_oracle.squared_distances(*inputs)
        if _is_free(spec, options):
            return float(long_oracle.dtw(D)), ()
        D = D.astype(long_oracle.Wide)
        return float(path_oracle.dtw(D, *steps_and_band(spec, inputs, options))), ()

    def value_tolerance(self, problem: "Problem", epsilon: float) -> float:
        """See `Kind`: every step adds a rounding error of an accumulated cost."""
        length = sum(problem.shape)
        gamma = problem.options.get("gamma", 0.0)
        return 16 * epsilon * length**2 * (problem.scale + 1.1 * gamma)

    def own(self, backends: tuple[str, ...] = BACKENDS) -> Iterator[Implementation]:
        """See `Kind`."""
        from tacref import reference

        yield reference.dtw, numpy_options("reference.dtw", "dtw")


def _is_free(spec: "Spec", options: dict[str, Any]) -> bool:
    return is_plain(spec, options) and options.get("band") is None


def is_plain(spec: "Spec", options: dict[str, Any]) -> bool:
    """Whether paths take any step, through cells of any band but one by |i - j|."""
    return steps_of(spec, options) == "any" and (
        options.get("band") is None or options.get("band_shape", "offset") == "offset"
    )


def steps_of(spec: "Spec", options: dict[str, Any]) -> str:
    """Return the steps that are asked for, or else those of the equation."""
    return str(options.get("steps", spec.steps))


def steps_and_band(
    spec: "Spec", inputs: tuple[np.ndarray, ...], options: dict[str, Any]
) -> tuple[str, np.ndarray]:
    """Return the steps, and which cells are inside the band."""
    n, m = inputs[0].shape if spec.inputs == "costs" else (len(inputs[0]), len(inputs[1]))
    shape = options.get("band_shape", "offset")
    return steps_of(spec, options), path_oracle.inside_band(n, m, options.get("band"), shape)


KIND = DTW()
