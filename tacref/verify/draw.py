"""Draw problems, away from the kinks of the losses."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tacref.verify.problems import Problem
from tacref.verify.spec import Spec

# All distances stay this far from the margin and from 0; of many frames, some must be nearer.
CLEARANCE = 0.05
CLEARANCE_OF_LONG = 1e-6
_MAX_FRAMES_WITH_CLEARANCE = 16


def draw(
    spec: Spec,
    seed: Sequence[int],
    n: int,
    m: int,
    *,
    d: int = 3,
    scale: float = 1.0,
    dtype: str = "",
    **options: Any,
) -> Problem:
    """Draw a problem.

    Parameters
    ----------
    spec : Spec
        The equation.
    seed : sequence of int
        The same numbers give the same problem, and the same object as long as it is cached, so
        that its answer is computed once.
    n, m : int
        Frames of the two sequences.
    d : int
        Length of an embedding.
    scale : float
        Order of magnitude of the costs.
    dtype : {"float64", "float32"}
        Type that represents the inputs without rounding; by default that of `spec`.
    **options
        Values that replace the defaults, and possibly a band.

    Returns
    -------
    Problem
        For Contrastive-IDM, no distance is within `CLEARANCE` of 0 or of the margin, where the
        loss has a kink.
    """
    all_options = {name: option.default for name, option in spec.numbers.items()} | options
    size = _Size(n, m, d, scale)
    return _draw(spec, tuple(seed), size, dtype or spec.dtype, tuple(all_options.items()))


class _Size(NamedTuple):
    n: int
    m: int
    d: int
    scale: float


@lru_cache(maxsize=1024)
def _draw(
    spec: Spec, seed: tuple[int, ...], size: _Size, dtype: str, items: tuple[tuple[str, Any], ...]
) -> Problem:
    rng = np.random.default_rng(list(seed))
    n, m, d, scale = size
    options = dict(items)
    margin = options.get("margin")
    origin = (
        f"draw({spec!r}, {list(seed)}, {n}, {m}, d={d}, scale={scale}, dtype={dtype!r}"
        f"{'' if margin is None else f', margin={margin}'}).inputs"
    )
    spread = float(np.sqrt(scale / d))
    own = spec.kind.draw_inputs(rng, n, m, d, spread)
    if own is not None:
        inputs = [_as_stored(array, dtype) for array in own]
    elif spec.inputs == "costs":
        inputs = [_as_stored(scale * rng.uniform(0.05, 1.0, (n, m)), dtype)]
    else:
        lengths = (n,) if spec.kind.single else (n, m)
        inputs = [_draw_embeddings(rng, length, d, spread, margin, dtype) for length in lengths]
    for array in inputs:
        array.setflags(write=False)
    return Problem(spec, tuple(inputs), options, origin)


def clear_drawn_problems() -> None:
    """Clear the cache of drawn problems."""
    _draw.cache_clear()


def is_clear(problem: Problem, clearance: float) -> bool:
    """Whether no distance within a sequence, squared or not, is near the margin or near 0."""
    margin = problem.options.get("margin")
    return margin is None or not any(_near(x, margin, clearance).any() for x in problem.inputs)


def _near(x: np.ndarray, margin: float, clearance: float) -> np.ndarray:
    squared = np.zeros((len(x), len(x)))
    for column in x.T:
        squared += (column[:, None] - column) ** 2
    np.fill_diagonal(squared, np.inf)
    near = (squared < clearance) | (np.abs(squared - margin) < clearance)
    return near | (np.abs(np.sqrt(squared) - margin) < clearance)


def _as_stored(array: np.ndarray, dtype: str) -> np.ndarray:
    return array.astype(dtype).astype(np.float64)


def _draw_embeddings(
    rng: np.random.Generator, length: int, d: int, spread: float, margin: float | None, dtype: str
) -> np.ndarray:
    """Draw embeddings; with a margin, again until no distance is near it or 0, squared or not."""
    x = _as_stored(spread * rng.normal(size=(length, d)), dtype)
    clearance = CLEARANCE if length <= _MAX_FRAMES_WITH_CLEARANCE else CLEARANCE_OF_LONG
    while margin is not None:
        moving = np.flatnonzero(_near(x, margin, clearance).any(1))[:1]
        if not len(moving):
            break
        x[moving] = _as_stored(spread * rng.normal(size=(1, d)), dtype)
    return x
