"""The right answer of an equation: to 50 digits if that is quick, else in wide floats."""

from decimal import Decimal
from typing import Any

import numpy as np

from tacref.verify import band_cells, long_oracle, oracle
from tacref.verify.spec import Spec

# With more cells, decimals take too long.
MAX_DECIMAL_CELLS = 300

Answer = tuple[float, tuple[np.ndarray, ...]]


def right_answer(spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]) -> Answer:
    """Return the value and the gradients of one item."""
    first, last = inputs[0], inputs[-1]
    cells = first.size if spec.inputs == "costs" else len(first) * len(last)
    if cells <= MAX_DECIMAL_CELLS:
        with oracle.high_precision():
            return _in_decimals(spec, inputs, options)
    return _in_wide_floats(spec, inputs, options)


def cells_inside(n: int, m: int, options: dict[str, Any]) -> np.ndarray | None:
    """Return the cells inside the band, by the definition that the options name; None for all."""
    if options.get("band") is None:
        return None
    return band_cells.inside(options.get("cells", band_cells.OFFSET), n, m, options["band"])


def _in_decimals(spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]) -> Answer:
    arrays = [oracle.to_decimals(array) for array in inputs]
    decimals = {name: Decimal(float(options[name])) for name in spec.options}
    gradients: tuple[oracle.Matrix, ...] = ()
    if spec.loss == "contrastive_idm":
        value, *rest = oracle.contrastive_idm(
            arrays[0],
            decimals["sigma"],
            decimals["margin"],
            spec.variant,
            options.get("times"),
            options.get("video_length"),
        )
        gradients = tuple(rest)
    elif spec.loss == "lav":
        x, y = arrays
        value, *rest = oracle.lav(
            x,
            y,
            decimals["gamma"],
            decimals["alpha"],
            decimals["sigma"],
            decimals["margin"],
            spec.variant,
        )
        gradients = tuple(rest)
    else:
        costs = arrays[0] if spec.inputs == "costs" else oracle.squared_distances(*arrays)
        if spec.loss == "dtw":
            value = oracle.dtw(costs, cells_inside(len(costs), len(costs[0]), options))
        else:
            inside = cells_inside(len(costs), len(costs[0]), options)
            value, E = oracle.soft_dtw(costs, decimals["gamma"], inside=inside)
            gradients = (E,) if spec.inputs == "costs" else oracle.to_embeddings(E, *arrays)
    return float(value), tuple(oracle.to_floats(gradient) for gradient in gradients)


def _in_wide_floats(spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]) -> Answer:
    gradients: tuple[np.ndarray, ...] = ()
    if spec.loss == "contrastive_idm":
        value, gradient = long_oracle.contrastive_idm(
            inputs[0],
            options["sigma"],
            options["margin"],
            spec.variant,
            options.get("times"),
            options.get("video_length"),
        )
        gradients = (gradient,)
    else:
        D = inputs[0] if spec.inputs == "costs" else long_oracle.squared_distances(*inputs)
        if spec.loss == "dtw":
            value = long_oracle.dtw(D, cells_inside(len(D), len(D[0]), options))
        else:
            inside = cells_inside(len(D), len(D[0]), options)
            value, E = long_oracle.soft_dtw(D, options["gamma"], inside=inside)
            gradients = (E,) if spec.inputs == "costs" else long_oracle.to_embeddings(E, *inputs)
        if spec.loss == "lav":
            pairs = [
                long_oracle.contrastive_idm(each, options["sigma"], options["margin"], spec.variant)
                for each in inputs
            ]
            frames = sum(map(len, inputs)) / 2 if spec.variant == "official" else 1
            value = (value + options["alpha"] * (pairs[0][0] + pairs[1][0])) / frames
            gradients = tuple(
                (aligned + options["alpha"] * own) / frames
                for aligned, (_, own) in zip(gradients, pairs, strict=True)
            )
    return float(value), tuple(gradient.astype(np.float64) for gradient in gradients)
