"""Hold other steps, weights and bands of DTW against other libraries: values and paths.

    python -m benchmarks.step_patterns                   # those that are installed
    python -m benchmarks.step_patterns --require-peers   # a missing library is an error

librosa's steps are `step_sizes_sigma` and `weights_mul`, its open begin and end of y `subseq`.
dtw-python's patterns typeIIa and asymmetric are "slope" and "asymmetric"; it takes open ends with
patterns that can be normalized, as the latter. Bands: its sakoechiba is "offset", and tslearn's
Itakura parallelogram is "itakura" where both sequences have the same length. dtw-python's Itakura
window has a fixed slope of 2 and strict inequalities, tslearn's shrinks with the number of frames
instead of the last frame: neither is compared at other lengths.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from tacref.alignment import align
from tacref.steps import check_steps

# Sums of a few hundred float64 costs in another order.
TOLERANCE = 1e-10
SHAPES = ((1, 1), (7, 9), (60, 45), (130, 200), (300, 300))
MIXED = [(1, 1, 1.0), (1, 2, 0.75), (3, 1, 2.5), (2, 2, 1.25)]
PEERS = {"librosa": "librosa", "dtw-python": "dtw", "tslearn": "tslearn"}


class Comparison(NamedTuple):
    """What another library computes, and our options for the same.

    `path` takes costs and embeddings and returns the other path; `square` says that the two agree
    at equal lengths only.
    """

    peer: str
    what: str
    options: dict[str, Any]
    path: Callable[[np.ndarray, np.ndarray, np.ndarray], Any]
    square: bool = False


def comparisons() -> Iterator[Comparison]:
    """Yield all comparisons with libraries that are installed."""
    for name, steps in (("slope", "slope"), ("asymmetric", "asymmetric"), ("mixed", MIXED)):
        yield Comparison("librosa", f"steps {name}", {"steps": steps}, _librosa(steps))
    for steps, pattern in (("slope", "typeIIa"), ("asymmetric", "asymmetric")):
        yield Comparison("dtw-python", f"steps {steps}", {"steps": steps}, _dtw_python(pattern))
        yield Comparison(
            "dtw-python",
            f"steps {steps}, band 20, offset",
            {"steps": steps, "band": 20, "band_shape": "offset"},
            _dtw_python(pattern, 20),
            square=True,
        )
    open_y = {"open_begin": "y", "open_end": "y"}
    yield Comparison(
        "dtw-python",
        "steps asymmetric, open begin and end",
        {"steps": "asymmetric", **open_y},
        _dtw_python("asymmetric", open_begin=True, open_end=True),
    )
    yield Comparison(
        "dtw-python",
        "steps asymmetric, open end",
        {"steps": "asymmetric", "open_end": "y"},
        _dtw_python("asymmetric", open_end=True),
    )
    for name, steps in (("slope", "slope"), ("asymmetric", "asymmetric"), ("mixed", MIXED)):
        yield Comparison(
            "librosa",
            f"steps {name}, open begin and end",
            {"steps": steps, **open_y},
            _librosa(steps, subseq=True),
        )
    for slope in (1.0, 1.5, 2.0, 3.0):
        yield Comparison(
            "tslearn",
            f"itakura {slope:g}",
            {"band": slope, "band_shape": "itakura"},
            _tslearn(slope),
            square=True,
        )


def _librosa(steps: Any, *, subseq: bool = False) -> Callable[..., Any]:
    def path(D: np.ndarray, x: np.ndarray, y: np.ndarray) -> Any:
        moves = check_steps(steps)
        sizes = np.stack((moves.rows, moves.columns), axis=1).astype(np.uint32)
        cells = import_module("librosa").sequence.dtw(
            C=D,
            step_sizes_sigma=sizes,
            weights_add=np.zeros(len(sizes)),
            weights_mul=moves.weights,
            subseq=subseq,
        )[1]
        if subseq and len(D) > D.shape[1]:  # librosa then swaps the columns of the path
            cells = cells[:, ::-1]
        return cells[::-1]

    return path


def _dtw_python(pattern: str, window: int | None = None, **open_ends: bool) -> Callable[..., Any]:
    def path(D: np.ndarray, x: np.ndarray, y: np.ndarray) -> Any:
        options: dict[str, Any] = {"step_pattern": pattern, **open_ends}
        if window is not None:
            options |= {"window_type": "sakoechiba", "window_args": {"window_size": window}}
        found = import_module("dtw").dtw(D, **options)
        return np.stack((found.index1, found.index2), axis=1)

    return path


def _tslearn(slope: float) -> Callable[..., Any]:
    def path(D: np.ndarray, x: np.ndarray, y: np.ndarray) -> Any:
        found, _ = import_module("tslearn.metrics").dtw_path(
            x, y, global_constraint="itakura", itakura_max_slope=slope
        )
        return np.array(found)

    return path


def compare(comparison: Comparison, shape: tuple[int, int]) -> str:
    """Return what a comparison found: "same path", "no path in either", or what differs."""
    n, m = shape
    rng = np.random.default_rng([n, m])
    walk = rng.normal(size=(n + m, 3)).cumsum(axis=0)
    x, y = (walk[np.linspace(0, n + m - 1, length).astype(int)] for length in shape)
    y = y + rng.normal(size=y.shape)
    try:
        ours = align(x, y, **comparison.options)
    except ValueError as error:
        ours = str(error)
    D = ((x[:, None] - y[None]) ** 2).sum(axis=-1)
    try:
        theirs = comparison.path(D, x, y)
    except Exception as error:  # each library has its own way to say that no path fits
        theirs = f"{type(error).__name__}: {error}"
    if isinstance(ours, str) or isinstance(theirs, str):
        both = isinstance(ours, str) and isinstance(theirs, str)
        return "no path in either" if both else f"DIFFERS: {str(ours)[:60]} / {str(theirs)[:60]}"
    if not np.array_equal(ours.path, theirs):
        cost = _cost(D, np.asarray(theirs), comparison.options.get("steps", "any"))
        off = abs(cost - ours.cost) / max(1.0, ours.cost)
        # Random costs have no ties: another path is another answer.
        return f"DIFFERS: cost {ours.cost:.9g}, theirs {cost:.9g}, off by {off:.1e}"
    cost = _cost(D, ours.path, comparison.options.get("steps", "any"))
    if abs(cost - ours.cost) > TOLERANCE * max(1.0, cost):
        return f"DIFFERS: cost {ours.cost!r} along a path that costs {cost!r}"
    return "same path"


def _cost(D: np.ndarray, path: np.ndarray, steps: Any) -> float:
    """Cost of a path by weighted steps; +inf if it takes another step."""
    moves = check_steps(steps)
    weights = {
        (rows, columns): weight
        for rows, columns, weight in zip(
            moves.rows.tolist(), moves.columns.tolist(), moves.weights.tolist(), strict=True
        )
    }
    total = float(D[tuple(path[0])])
    for before, cell in zip(path[:-1].tolist(), path[1:].tolist(), strict=True):
        step = cell[0] - before[0], cell[1] - before[1]
        total += weights.get(step, np.inf) * D[tuple(cell)]
    return total


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table of all comparisons; return 1 if one differs or a library is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--require-peers", action="store_true", help="a library that is missing is an error"
    )
    options = parser.parse_args(argv)
    missing = [peer for peer, module in PEERS.items() if find_spec(module) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}\n")
    print("| other library | what | n x m | |\n|---|---|---|---|")
    failed = bool(missing) and options.require_peers
    for comparison in comparisons():
        if comparison.peer in missing:
            continue
        for shape in SHAPES:
            if comparison.square and shape[0] != shape[1]:
                shape = shape[1], shape[1]
            found = compare(comparison, shape)
            failed |= found.startswith("DIFFERS")
            print(f"| {comparison.peer} | {comparison.what} | {shape[0]} x {shape[1]} | {found} |")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
