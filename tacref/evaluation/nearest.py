"""Nearest rows by Euclidean distance, ties to the first, in bounded memory.

A matrix product finds the few rows that may be nearest in spite of its rounding; differences in
float64, summed coordinate by coordinate, decide between them. So the answer depends neither on
how BLAS arranges rows, nor on an offset common to all rows.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

DISTANCES_PER_BLOCK = 1 << 22


def nearest(videos: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Return, as `[a][b]` `(T_a,)`, the frame of video b that is nearest to each frame of video a.

    Parameters
    ----------
    videos : sequence of ndarray, each of shape (T_v, d)
        Frame embeddings, finite, in float64.
    """
    distinct = [_Distinct.of(video) for video in videos]
    # One product with all videos: the threads of BLAS cost more than a product of two videos.
    frames = [video[each.first] for video, each in zip(videos, distinct, strict=True)]
    space = _Space.of(np.concatenate(frames))
    ends = np.cumsum([len(rows) for rows in frames])
    parts = [slice(end - len(rows), end) for end, rows in zip(ends, frames, strict=True)]
    neighbors = []
    for queries, a in zip(parts, distinct, strict=True):
        blocks = [
            [space.first_nearest(low[:, part], rows, part.start) for part in parts]
            for rows, low in space.blocks(queries, slice(None))
        ]
        neighbors.append(
            [
                b.first[np.concatenate(columns)][a.copy_of]
                for b, columns in zip(distinct, zip(*blocks, strict=True), strict=True)
            ]
        )
    return neighbors


def k_nearest(queries: np.ndarray, gallery: np.ndarray, k: int) -> np.ndarray:
    """Return the k nearest rows of `gallery`, nearest first, as indices `(T, min(k, N))`.

    Parameters
    ----------
    queries, gallery : ndarray of float64, of shapes (T, d) and (N, d)
        Finite.
    k : int
        At least 1.
    """
    distinct_queries, distinct_gallery = _Distinct.of(queries), _Distinct.of(gallery)
    space = _Space.of(
        np.concatenate([gallery[distinct_gallery.first], queries[distinct_queries.first]])
    )
    size = len(distinct_gallery.first)
    blocks = [
        space.in_order(low, rows, min(k, size))
        for rows, low in space.blocks(slice(size, None), slice(size))
    ]
    columns, distances = (np.concatenate(side) for side in zip(*blocks, strict=True))
    if size < len(gallery):
        rows = distinct_gallery.with_copies(columns, distances, min(k, len(gallery)))
    else:
        rows = distinct_gallery.first[columns]
    return rows[distinct_queries.copy_of]


class _Distinct(NamedTuple):
    """The distinct rows of an array, in the order of their first copies."""

    first: np.ndarray  # index of the first copy of each distinct row, rising
    copy_of: np.ndarray  # which of these each row is a copy of

    @classmethod
    def of(cls, rows: np.ndarray) -> "_Distinct":
        rows = np.ascontiguousarray(rows + 0.0)  # -0.0 is 0.0
        # Equal rows have equal sums of bits, which are faster to compare.
        if len(np.unique(rows.view(np.uint64).sum(1))) == len(rows):
            return cls(np.arange(len(rows)), np.arange(len(rows)))
        as_bytes = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
        _, first, copy_of = np.unique(as_bytes, return_index=True, return_inverse=True)
        order = np.argsort(first)
        return cls(first[order], np.argsort(order)[copy_of])

    def with_copies(self, columns: np.ndarray, distances: np.ndarray, k: int) -> np.ndarray:
        """Return the k nearest rows of each query among all copies of the distinct rows `columns`.

        In the order of their distances `(T, K)`; of equally near rows the first comes first.
        """
        counts = np.bincount(self.copy_of)
        copies = np.split(np.argsort(self.copy_of, kind="stable"), np.cumsum(counts)[:-1])
        picked = []
        for own_columns, own_distances in zip(columns, distances, strict=True):
            rows = [copies[column][:k] for column in own_columns]
            row_distances = np.repeat(own_distances, [len(each) for each in rows])
            candidates = np.concatenate(rows)
            picked.append(candidates[np.lexsort((candidates, row_distances))[:k]])
        return np.stack(picked)


class _Space:
    """Rows, and the search for the nearest among them.

    With a and b centred rows of length d, |b|^2 - 2ab orders rows b by their distance from a, up
    to rounding. In float64, with u = 2^-53, that is at most u (|a| + |b|)^2 times

    - d for the sums |b|^2 and 2ab together, in whatever order BLAS takes them,
    - 1 for their difference, and 2 for the centring, as each number of a and b is off by u of it,
    - d + 3 for the squared distance by differences, which decides.

    As (|a| + |b|)^2 <= 2 |a|^2 + 2 |b|^2, these are (4 d + 12) u (|a|^2 + |b|^2), which `slack`
    (|a|^2 + |b|^2) exceeds. So with `low` = (1 - slack) |b|^2 - 2ab, no row is nearer than b whose
    `low` is more than 2 slack (|a|^2 + |b|^2) above that of b.
    """

    def __init__(self, rows: np.ndarray, centred: np.ndarray, exponent: int) -> None:
        d = rows.shape[1]
        self.rows, self.centred, self.exponent = rows, centred, exponent
        self.squares = (centred**2).sum(1)
        self.slack = (2 * d + 16) * np.finfo(np.float64).eps
        self.underflow = 4 * d * np.finfo(np.float64).tiny

    @classmethod
    def of(cls, rows: np.ndarray) -> "_Space":
        # Scaling by powers of two rounds nothing and keeps squares from overflow and, except for
        # differences below 1e-150 of the largest, from underflow: first the largest number comes
        # near 1, then the largest difference from the mean.
        rows = np.ldexp(rows, -_exponent(rows))
        centred = rows - rows.mean(0)
        exponent = _exponent(centred)
        return cls(rows, np.ldexp(centred, -exponent), exponent)

    def blocks(self, queries: slice, gallery: slice) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield blocks of the queries `(Q,)` and their `low` `(Q, N)` with the whole gallery."""
        numbers = np.arange(len(self.rows))[queries]
        squares = (1 - self.slack) * self.squares[gallery]
        step = max(1, DISTANCES_PER_BLOCK // len(squares))
        for start in range(0, len(numbers), step):
            block = numbers[start : start + step]
            yield block, squares - 2.0 * self.centred[block] @ self.centred[gallery].T

    def first_nearest(self, low: np.ndarray, queries: np.ndarray, start: int) -> np.ndarray:
        """Return the first nearest column `(Q,)` of `low`, whose column 0 is row `start`."""
        columns = low.argmin(1)
        squares = self.squares[queries] + self.squares[start + columns]
        bounds = low.min(1) + 2 * self.slack * squares + self.underflow
        possible = low <= bounds[:, None]
        if np.count_nonzero(possible) > len(columns):
            contested = np.flatnonzero(np.count_nonzero(possible, axis=1) > 1)
            query, column = np.nonzero(possible[contested])
            distances = self.squared_distances(queries[contested[query]], start + column)
            # A stable sort: of equally near columns the first stays first.
            order = np.lexsort((distances, query))
            columns[contested] = column[order[np.searchsorted(query, np.arange(len(contested)))]]
        return columns

    def in_order(
        self, low: np.ndarray, queries: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the k nearest columns of `low` in order, and their squared distances `(Q, k)`."""
        squares = self.squares[queries] + self.squares[: low.shape[1]].max()
        bounds = np.partition(low, k - 1, axis=1)[:, k - 1] + 2 * self.slack * squares
        query, column = np.nonzero(low <= (bounds + self.underflow)[:, None])
        distances = self.squared_distances(queries[query], column)
        order = np.lexsort((distances, query))
        starts = np.searchsorted(query, np.arange(len(queries)))
        picked = order[starts[:, None] + np.arange(k)]
        return column[picked], distances[picked]

    def squared_distances(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the squared distances between rows `first` and `second`, pair by pair."""
        distances = np.empty(len(first))
        step = max(1, DISTANCES_PER_BLOCK // (4 * self.rows.shape[1]))
        for start in range(0, len(first), step):
            block = slice(start, start + step)
            differences = self.rows[first[block]] - self.rows[second[block]]
            # cumsum, unlike sum, always adds from left to right, the same for every pair.
            squares = np.ldexp(differences, -self.exponent) ** 2
            distances[block] = squares.cumsum(1)[:, -1]
        return distances


def _exponent(numbers: np.ndarray) -> int:
    """Return the power of two that is next above the largest magnitude."""
    return int(np.frexp(np.abs(numbers).max())[1])
