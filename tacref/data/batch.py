"""Batches of pairs: the frames of all their clips in one array."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tacref.data.sides import Side


@dataclass(frozen=True)
class PairBatch:
    """Drawn frames of P pairs of clips; axis 0 of the other arrays is the side, x or y.

    With V views of each clip, P is V times as large: the first view of all pairs comes first.

    Parameters
    ----------
    frames : ndarray, shape (M, size, size, 3) of uint8 or (M, F) of float32
        The distinct frames, so that each goes through a backbone once.
    windows : ndarray of int64, shape (2, P, N, K)
        Context frames of each drawn frame, as indices into `frames`.
    times : ndarray of int64, shape (2, P, N)
        Number of each drawn frame in its clip.
    lengths : ndarray of int64, shape (2, P)
        Frames of each clip.
    names : list of (str, str)
        Paths of each pair's clips, once for all views.
    skipped : list of str
        What was wrong with each clip that could not be read, so that another pair was drawn.
    """

    frames: np.ndarray
    windows: np.ndarray
    times: np.ndarray
    lengths: np.ndarray
    names: list[tuple[str, str]]
    skipped: list[str] = field(default_factory=list)


def stack_pairs(pairs: Sequence[Sequence[tuple[Side, Side]]], skipped: list[str]) -> PairBatch:
    """Stack pairs, each a sequence of views, into a batch.

    Parameters
    ----------
    pairs : sequence of sequence of (Side, Side)
        For each pair, x and y of each view.
    skipped : list of str
        As in `PairBatch`.
    """
    sides = [side for view in zip(*pairs, strict=True) for pair in view for side in pair]
    starts = np.cumsum([0, *(len(side.frames) for side in sides)])

    def by_side(rows: list) -> np.ndarray:
        array = np.asarray(rows, dtype=np.int64)  # (2 P, ...), x and y in turn
        return np.ascontiguousarray(array.reshape(-1, 2, *array.shape[1:]).swapaxes(0, 1))

    names = [str(side.clip.path) for side in sides[: 2 * len(pairs)]]
    return PairBatch(
        np.concatenate([side.frames for side in sides]),
        by_side([side.windows + start for side, start in zip(sides, starts, strict=False)]),
        by_side([side.times for side in sides]),
        by_side([side.length for side in sides]),
        list(zip(names[::2], names[1::2], strict=True)),
        skipped,
    )
