"""Faults of paths and of barycenters, in NumPy."""

import numpy as np

from tacref.alignment import barycenter
from tacref.reference import dtw, dtw_path
from tests.verify import plain_pairs
from tests.verify.faults.registry import fault

_KEPT = {}


def path(kind, *rows, **options):
    return fault(kind, "dtw_path", *rows, framework="numpy", **options)


def center(kind, *rows, **options):
    return fault(kind, "barycenter", *rows, framework="numpy", **options)


@path("path", "path")
def path_from_the_end(D):
    return plain_pairs.path_of(D, reverse=True)


@path("path", "path")
def path_without_its_first_cell(D):
    return dtw_path(D)[1 if max(D.shape) > 1 else 0 :]


@path("path", "path")
def greedy_path(D):
    cells = [(0, 0)]
    while cells[-1] != (D.shape[0] - 1, D.shape[1] - 1):
        i, j = cells[-1]
        steps = [(i + 1, j + 1), (i + 1, j), (i, j + 1)]
        inside = [c for c in steps if c[0] < D.shape[0] and c[1] < D.shape[1]]
        cells.append(min(inside, key=D.__getitem__))
    return cells


@path("path", "path")
def path_of_the_transposed(D):
    return dtw_path(D.T)


@path("path", "path")
def diagonal_wins_near_ties(D):
    # The diagonal step is preferred while it costs at most 0.3 more.
    n, m = D.shape
    R = np.full((n + 1, m + 1), np.inf)
    R[0, 0] = 0
    for i in range(n):
        for j in range(m):
            R[i + 1, j + 1] = D[i, j] + min(R[i, j], R[i, j + 1], R[i + 1, j])
    i, j, cells = n, m, []
    while i and j:
        cells.append((i - 1, j - 1))
        before = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        i, j = min(before, key=lambda c: R[c] - 0.3 * (c == before[0]))
    return cells[::-1]


@path("path", "value")
def value_is_a_root(D):
    return np.sqrt(dtw(D)), dtw_path(D)


@path("path", "value")
def value_is_not_of_the_path(D):
    return dtw(D) - (1e-6 if len(D) > 5 else 0.0), dtw_path(D)


@path("band", "band: value")
def path_of_a_wider_band(D, *, band=None):
    return dtw_path(D, band=None if band is None else band + 1, band_shape="offset")


@path("band", "shapes of a band")
def every_band_by_offset(D, *, band=None, band_shape="offset"):
    reach = None if band is None else max(int(band), abs(D.shape[0] - D.shape[1]))
    return dtw_path(D, band=reach, band_shape="offset")


@path("steps", "steps")
def slope_by_other_steps(D, *, steps="any"):
    if steps == "slope":
        steps = ((1, 1, 1), (1, 2, 1), (2, 1, 1), (3, 1, 1))
    return dtw_path(D, steps=steps)


@path("steps", "steps")
def steps_ignored(D, *, steps="any"):
    return dtw_path(D)


@path("in place", "inputs left unchanged")
def accumulates_in_place(D):
    right = dtw_path(D)
    D[:] = np.cumsum(D, 0)
    return right


@path("length", "long sequences: value")
def path_within_31_frames(D):
    return dtw_path(D, band=31 if min(D.shape) > 700 else None, band_shape="offset")


@center("barycenter", "stationary point")
def mean_of_the_sequences(sequences, start, *, gamma):
    return np.mean([each[: len(start)] for each in sequences], 0)


@center("barycenter", "stationary point")
def one_iteration(sequences, start, *, gamma):
    return barycenter(sequences, start=start, gamma=gamma, iterations=1)


@center("barycenter", "stationary point", "option gamma")
def hard_for_soft(sequences, start, *, gamma):
    return barycenter(sequences, start=start, gamma=1e-6, iterations=100)


@center("barycenter", "stationary point")
def last_sequence_dropped(sequences, start, *, gamma):
    kept = sequences[:-1] if len(sequences) > 1 else sequences
    return barycenter(kept, start=start, gamma=gamma, iterations=100)


@center("barycenter", "stationary point")
def first_sequence_twice(sequences, start, *, gamma):
    twice = [*sequences, sequences[0]]
    return barycenter(twice, start=start, gamma=gamma, iterations=100)


@center("barycenter", "stationary point", variant="dba")
def soft_for_hard(sequences, start):
    return barycenter(sequences, start=start, gamma=0.1, iterations=100)


@center("option fixed", "option gamma")
def gamma_at_most_1(sequences, start, *, gamma):
    return barycenter(sequences, start=start, gamma=min(gamma, 1.0), iterations=300)


@center("barycenter", "sequences of several lengths")
def weights_by_squared_length(sequences, start, *, gamma):
    # Long sequences are repeated, which is right while all are as long as each other.
    shortest = min(map(len, sequences))
    repeated = [each for each in sequences for _ in range(1 + 3 * (len(each) - shortest))]
    return barycenter(repeated, start=start, gamma=gamma, iterations=300)


@center("memory", "called again")
def kept_by_shape(sequences, start, *, gamma):
    key = np.shape(sequences), start.shape, gamma
    if key not in _KEPT:
        _KEPT[key] = barycenter(sequences, start=start, gamma=gamma, iterations=300)
    return _KEPT[key]


@center("in place", "inputs left unchanged")
def writes_into_its_start(sequences, start, *, gamma):
    right = barycenter(sequences, start=start, gamma=gamma, iterations=300)
    start[:] = right
    return right
