"""Averages over the cells of a grid: of whole pictures, or of a part of each."""

import math
from typing import NamedTuple

import numpy as np

# What `draw_crop` draws from: the sides of the part and how far its center is from the middle, in
# sides of the picture.
_SMALLEST_CROP, _LARGEST_CROP = 0.6, 1.3
_MAX_SHIFT = 0.2


class Crop(NamedTuple):
    """A part of a picture, in shares of its sides; it may reach beyond them.

    Parameters
    ----------
    vertical, horizontal : tuple of float
        Where it begins and ends.
    """

    vertical: tuple[float, float] = (0.0, 1.0)
    horizontal: tuple[float, float] = (0.0, 1.0)


WHOLE = Crop()


def draw_crop(rng: np.random.Generator) -> Crop:
    """Draw a part of a picture: by height and width apart, as if a camera stood elsewhere."""

    def draw() -> tuple[float, float]:
        side = math.exp(rng.uniform(math.log(_SMALLEST_CROP), math.log(_LARGEST_CROP)))
        center = 0.5 + rng.uniform(-_MAX_SHIFT, _MAX_SHIFT)
        return center - side / 2, center + side / 2

    return Crop(draw(), draw())


def cell_averages(places: int, cells: int, begin: float = 0.0, end: float = 1.0) -> np.ndarray:
    """Return the matrix that averages a line of places over cells of equal length.

    Parameters
    ----------
    places : int
        Values along the line.
    cells : int
        Cells.
    begin, end : float
        The part of the line that the cells share, 0 to 1 for all of it. Beyond the line, its first
        and last value go on.

    Returns
    -------
    ndarray of float32, shape (cells, places)
        Every row sums to 1.
    """
    edges = places * np.linspace(begin, end, cells + 1)[:, None]
    starts = np.r_[-np.inf, 1.0:places]
    ends = np.r_[1.0:places, np.inf]
    shared = np.minimum(edges[1:], ends) - np.maximum(edges[:-1], starts)
    return (shared.clip(min=0) / (edges[1:] - edges[:-1])).astype(np.float32)


class CellGrid(NamedTuple):
    """A grid of features as it is kept, and the coarser one that an encoder takes.

    Parameters
    ----------
    kept, cells : tuple of int
        Rows and columns of either.
    """

    kept: tuple[int, int]
    cells: tuple[int, int]

    def average(self, features: np.ndarray, crop: Crop = WHOLE) -> np.ndarray:
        """Average features `(T, F)` of kept cells over the cells of a part of the picture.

        Returns
        -------
        ndarray of float32, shape (T, F')
            Cells are rows after rows, C features each, as in `features`.
        """
        features = features.astype(np.float32)
        if self.kept == self.cells and crop == WHOLE:
            return features
        rows, columns = (
            cell_averages(kept, cells, *part)
            for kept, cells, part in zip(self.kept, self.cells, crop, strict=True)
        )
        T, (height, width) = len(features), self.kept
        lines = rows @ features.reshape(T, height, -1)  # (T, rows, width C)
        cells = columns @ lines.reshape(T, len(rows), width, -1)  # (T, rows, columns, C)
        return cells.reshape(T, -1)
