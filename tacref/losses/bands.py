"""Which cells the losses may match: bands and steps, checked where no device need be waited for."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tacref.bands import band_columns, itakura_slope
from tacref.checks import check_band, check_band_shape
from tacref.losses.lengths import Lengths, known_numbers
from tacref.reach import check_moves as check_steps_inside
from tacref.steps import STEPS, check_steps

StepsLike = str | Sequence[Sequence[float]]
# (rows, columns, weight) of each step; None for those of equation 2.
Moves = tuple[tuple[int, int, float], ...] | None


class Band(NamedTuple):
    """A band as `tacref.bands.band_columns` defines it; `width` None allows every cell."""

    width: float | None
    shape: str
    # Whether it is |i - j| <= width for every item of the batch, which kernels know.
    is_offset: bool

    @property
    def kernel_width(self) -> int | None:
        """What kernels take: -1 for no band; None if they do not know this band."""
        if self.width is None:
            return -1
        return int(self.width) if self.is_offset else None


def check_bands(
    band: float | None,
    shape: str,
    n: int,
    m: int,
    lengths_x: Lengths | None,
    lengths_y: Lengths | None,
) -> Band:
    """Return a band that lets a path through every item of n by m frames.

    Lengths on a device are not waited for: there, an item without a path gives +inf.

    Raises
    ------
    ValueError
        If `shape` is unknown, or `band` is out of range or leaves an item no path.
    """
    shape = check_band_shape(shape)
    if band is None:
        return Band(None, shape, True)
    if lengths_x is None and lengths_y is None:
        checked = check_band(band, n, m, shape)
        if shape == "itakura" and not torch.compiler.is_compiling():
            band_columns(n, m, band, shape)
        return Band(checked, shape, shape == "offset" or (shape == "diagonal" and n == m))
    checked = check_band(band, 1, 1, shape)
    square = False
    for rows, columns in _sizes(n, m, lengths_x, lengths_y):
        square = bool((rows == columns).all())
        if shape == "offset":
            difference = int(np.abs(rows - columns).max())
            if band < difference:
                raise ValueError(
                    f"band must be >= |n - m| of each item, at most {difference}, or no path "
                    f"fits, got {band!r}"
                )
        else:
            for item_rows, item_columns in set(zip(rows.tolist(), columns.tolist(), strict=True)):
                check_band(band, item_rows, item_columns, shape)
                if shape == "itakura":
                    band_columns(item_rows, item_columns, band, shape)
    return Band(checked, shape, shape == "offset" or (shape == "diagonal" and square))


def check_moves(
    steps: StepsLike,
    band: Band,
    n: int,
    m: int,
    lengths_x: Lengths | None,
    lengths_y: Lengths | None,
) -> Moves:
    """Return steps as numbers of Python's own, which torch.compile takes as constants.

    Lengths on a device are not waited for: there, an item without a path gives +inf.

    Raises
    ------
    ValueError
        If they are not as `tacref.steps.check_steps` takes them, or do not lead to the
        last cell of an item.
    """
    if isinstance(steps, str) and steps == "any":
        return None
    if torch.compiler.is_compiling():  # modules have checked theirs
        listed = STEPS[steps] if isinstance(steps, str) else steps
        return tuple((int(step[0]), int(step[1]), float(step[2])) for step in listed)
    checked = check_steps(steps)
    if checked.are_any:
        return None
    for rows, columns in _sizes(n, m, lengths_x, lengths_y):
        for shape in set(zip(rows.tolist(), columns.tolist(), strict=True)):
            check_steps_inside(checked, shape, band.width, band.shape)
    return tuple(
        zip(checked.rows.tolist(), checked.columns.tolist(), checked.weights.tolist(), strict=True)
    )


def forbid_outside(D: Tensor, band: Band, lengths_x: Tensor, lengths_y: Tensor) -> Tensor:
    """Return costs `(B, n, m)` with +inf outside a band, the lines of which end with each item."""
    if band.width is None:
        return D
    inside = _inside(
        band, D.shape[1], D.shape[2], lengths_x[:, None, None], lengths_y[:, None, None]
    )
    return torch.where(inside, D, torch.inf)


def _inside(band: Band, n: int, m: int, lengths_x: Tensor, lengths_y: Tensor) -> Tensor:
    """Return which cells are inside, bool `(B, n, m)`: `band_columns`, cell by cell."""
    assert band.width is not None
    i = torch.arange(n, device=lengths_x.device)[:, None]
    j = torch.arange(m, device=lengths_x.device)
    if band.shape == "offset":
        return (i - j).abs() <= int(band.width)
    last_i, last_j = lengths_x - 1, lengths_y - 1
    u, v, whole = i * last_j, j * last_i, last_i * last_j  # both as shares of the same whole
    if band.shape == "diagonal":
        return (u - v).abs() <= int(band.width) * torch.maximum(last_i, last_j)
    p, q = itakura_slope(band.width, n, m)
    below = (q * v <= p * u) & (q * u <= p * v)
    above = (q * (whole - v) <= p * (whole - u)) & (q * (whole - u) <= p * (whole - v))
    return (below & above) | (whole == 0)


def _sizes(
    n: int, m: int, lengths_x: Lengths | None, lengths_y: Lengths | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows and columns of the items once, if they can be known."""
    if torch.compiler.is_compiling():
        return
    rows = np.array([int(n)]) if lengths_x is None else known_numbers(lengths_x)
    columns = np.array([int(m)]) if lengths_y is None else known_numbers(lengths_y)
    if rows is not None and columns is not None:
        rows, columns = np.broadcast_arrays(rows, columns)
        yield rows, columns
