"""Which tiles of a batch are computed together, and in which order."""

from collections.abc import Iterator
from typing import NamedTuple


class Grid(NamedTuple):
    """Tiles of H x W cells: as many strips and chunks, and the band, -1 for none."""

    strips: int
    chunks: int
    H: int
    W: int
    band: int


class Stage(NamedTuple):
    """Tiles that do not depend on each other: strip + chunk = stage, of some items.

    There are `tiles` strips of each item, from `first_strip` on: at least all that are free. In the
    memory of its group the stage comes at `place`.
    """

    first_item: int
    items: int
    tiles: int
    first_strip: int
    stage: int
    place: int

    @property
    def programs(self) -> int:
        """How many tiles these are."""
        return self.items * self.tiles

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """What kernels are told of it."""
        return self.first_item, self.tiles, self.first_strip, self.stage


def free_runs(grid: Grid, most: int) -> Iterator[tuple[int, int, int]]:
    """Yield of each stage its number, the first strip, and how many are not forbidden by the band.

    In parts, if they are more than `most`.
    """
    strips, chunks, H, W, band = grid
    for stage in range(strips + chunks - 1):
        first, last = max(0, stage - chunks + 1), min(strips - 1, stage)
        if band >= 0:
            # A tile is free if its upper right and its lower left corner reach the band:
            # strip H - ((chunk + 1) W - 1) and chunk W - ((strip + 1) H - 1) are <= band.
            last = min(last, (band + (stage + 1) * W - 1) // (H + W))
            first = max(first, -((band + H - 1 - stage * W) // (H + W)))
        for start in range(first, last + 1, most):
            yield stage, start, min(most, last + 1 - start)
