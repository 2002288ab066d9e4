"""Draw problems, away from the kinks of the losses."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tacref.verify.problems import Problem
from tacref.verify.spec import DEFAULTS, Spec

# No distance is drawn nearer to the margin or to 0; with many frames, some must be nearer.
CLEARANCE = 0.05
CLEARANCE_OF_MANY = 1e-6
_MANY = 16


def draw(
    spec: Spec,
    seed: Sequence[int],
    n: int,
    m: int,
    *,
    d: int = 3,
    scale: float = 1.0,
    dtype: str = "float64",
    **options: Any,
) -> Problem:
    """Draw a problem.

    Parameters
    ----------
    spec : Spec
        The equation.
    seed : sequence of int
        The same numbers give the same problem, and the same object while it is remembered, so
        that its answer is computed once.
    n, m : int
        Frames of the two sequences.
    d : int
        Length of an embedding.
    scale : float
        Size of the costs.
    dtype : {"float64", "float32"}
        Inputs are drawn so that this type holds them without rounding.
    **options
        Other values than `DEFAULTS`, and perhaps a band.

    Returns
    -------
    Problem
        For Contrastive-IDM, no distance lies within `CLEARANCE` of the margin, where it has a
        kink, nor of 0.
    """
    chosen = {name: DEFAULTS[name] for name in spec.options} | options
    return _draw(spec, tuple(seed), n, m, d, scale, dtype, tuple(chosen.items()))


@lru_cache(maxsize=1024)
def _draw(
    spec: Spec,
    seed: tuple[int, ...],
    n: int,
    m: int,
    d: int,
    scale: float,
    dtype: str,
    chosen: tuple[tuple[str, Any], ...],
) -> Problem:
    rng = np.random.default_rng(list(seed))
    options = dict(chosen)
    margin = options.get("margin")
    origin = (
        f"draw({spec!r}, {list(seed)}, {n}, {m}, d={d}, scale={scale}, dtype={dtype!r}"
        f"{'' if margin is None else f', margin={margin}'}).inputs"
    )
    if spec.inputs == "costs":
        inputs = [_storable(scale * rng.uniform(0.05, 1.0, (n, m)), dtype)]
    else:
        lengths = (n,) if spec.loss == "contrastive_idm" else (n, m)
        spread = float(np.sqrt(scale / d))
        inputs = [_rows(rng, length, d, spread, margin, dtype) for length in lengths]
    for array in inputs:
        array.setflags(write=False)
    return Problem(spec, tuple(inputs), options, origin)


def forget() -> None:
    """Forget the problems that were drawn."""
    _draw.cache_clear()


def is_clear(problem: Problem, clearance: float) -> bool:
    """Whether no distance within a sequence, squared or not, is near the margin, nor near 0."""
    margin = problem.options.get("margin")
    return margin is None or not any(_near(x, margin, clearance).any() for x in problem.inputs)


def _near(x: np.ndarray, margin: float, clearance: float) -> np.ndarray:
    squared = np.zeros((len(x), len(x)))
    for column in x.T:
        squared += (column[:, None] - column) ** 2
    np.fill_diagonal(squared, np.inf)
    near = (squared < clearance) | (np.abs(squared - margin) < clearance)
    return near | (np.abs(np.sqrt(squared) - margin) < clearance)


def _storable(array: np.ndarray, dtype: str) -> np.ndarray:
    return array.astype(dtype).astype(np.float64)


def _rows(
    rng: np.random.Generator, length: int, d: int, spread: float, margin: float | None, dtype: str
) -> np.ndarray:
    """Draw embeddings; with a margin, anew until no distance is 0 or at it, squared or not."""
    x = _storable(spread * rng.normal(size=(length, d)), dtype)
    clearance = CLEARANCE if length <= _MANY else CLEARANCE_OF_MANY
    while margin is not None:
        moving = np.flatnonzero(_near(x, margin, clearance).any(1))[:1]
        if not len(moving):
            break
        x[moving] = _storable(spread * rng.normal(size=(1, d)), dtype)
    return x
