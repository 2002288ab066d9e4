"""How far steps lead: whether a path by them fits inside a band, from a begin to an end."""

import math
from collections.abc import Sequence

import numpy as np

from tacref.bands import Columns, band_columns
from tacref.ends import CLOSED, OpenEnds, border_costs
from tacref.steps import MAX_STRIDE, Steps

# Up to this many cells, a message says how wide a band must be.
_MAX_CELLS_SEARCHED = 2**26


def check_steps_reach(
    steps: Steps,
    n: int,
    m: int,
    band: float | None,
    band_shape: str = "diagonal",
    open_ends: OpenEnds = CLOSED,
) -> Columns:
    """Return the columns of each row inside a band, if the steps lead through it.

    Parameters
    ----------
    steps : Steps
        The steps.
    n, m : int
        Lengths of the sequences.
    band, band_shape
        As `band_columns` takes them.
    open_ends : OpenEnds
        Where paths may begin and end; by default in the first and the last cell.

    Returns
    -------
    Columns
        As `band_columns` returns them.

    Raises
    ------
    ValueError
        As `band_columns`; or if no path by these steps leads from where it may begin to where it
        may end inside the band: says how far the steps reach, or how wide the band must be.
    """
    columns = band_columns(n, m, band, band_shape)
    if steps.are_any:
        return columns
    least, most = columns_reached(steps, n)
    too_few = m < least and not open_ends.open_x
    # Where x is open, paths need not go to another row.
    too_many = least <= most < m and not open_ends.open_y
    if too_few or too_many:
        raise ValueError(_far_off_message(steps, n, m, least, most))
    if leads_through(steps, columns, m, open_ends):
        return columns
    if band is None or not leads_through(steps, band_columns(n, m, None), m, open_ends):
        raise ValueError(_nowhere_message(steps, n, m, open_ends))
    wanted = "wider"
    if n * m <= _MAX_CELLS_SEARCHED:
        enough = _wide_enough(steps, n, m, math.floor(band), band_shape, open_ends)
        wanted = wanted if enough is None else f">= {enough}"
    raise ValueError(
        f"band must be {wanted} for steps {steps.label}, n = {n} and m = {m}, or no path fits, "
        f"got {band!r}"
    )


def check_moves(
    steps: Steps,
    shape: tuple[int, int],
    band: float | None,
    band_shape: str,
    open_ends: OpenEnds = CLOSED,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, columns and weights of steps that lead to the end inside a band.

    Raises
    ------
    ValueError
        As `check_steps_reach`, or if the band is out of range.
    """
    check_steps_reach(steps, *shape, band, band_shape, open_ends)
    return steps.rows, steps.columns, steps.weights


def columns_reached(steps: Steps, n: int) -> tuple[float, float]:
    """Return the least and the most columns that n rows of a path may take, about."""
    ratios = [
        columns / rows if rows else math.inf
        for rows, columns in zip(steps.rows.tolist(), steps.columns.tolist(), strict=True)
    ]
    if n == 1:
        return 1, math.inf if math.inf in ratios else 1
    finite = [ratio for ratio in ratios if ratio < math.inf]
    if not finite:
        return math.inf, -math.inf
    most = math.inf if math.inf in ratios else math.floor(max(finite) * (n - 1) + 1e-9) + 1
    return math.ceil(min(finite) * (n - 1) - 1e-9) + 1, most


def _far_off_message(steps: Steps, n: int, m: int, least: float, most: float) -> str:
    if least > most:
        return f"steps {steps.label} never go to another row, but n = {n}"
    bound, which = (most, "at most") if m > most else (least, "at least")
    slopes = steps.columns[steps.rows > 0] / steps.rows[steps.rows > 0]
    slope = slopes.max() if m > most else slopes.min()
    formula = f"{slope:.4g} (n - 1) + 1 = " if n > 1 else ""
    return f"steps {steps.label} reach {which} {formula}{bound} columns for n = {n}, got m = {m}"


def _nowhere_message(steps: Steps, n: int, m: int, open_ends: OpenEnds) -> str:
    if open_ends == CLOSED:
        return f"steps {steps.label} do not lead from (0, 0) to {(n - 1, m - 1)}"
    return (
        f"steps {steps.label} leave no path for n = {n} and m = {m} with open_begin "
        f"{open_ends.begin!r} and open_end {open_ends.end!r}"
    )


def leads_through(steps: Steps, band: Columns, m: int, open_ends: OpenEnds = CLOSED) -> bool:
    """Tell whether a path by these steps fits inside a band.

    The cells that are reached are bits of one whole number per row, from the band's first column.
    """
    first, stop = band.first.tolist(), band.stop.tolist()
    moves = list(zip(steps.rows.tolist(), steps.columns.tolist(), strict=True))
    strides = [columns for rows, columns in moves if rows == 0]
    begins_in_row, begins_in_column = (cost == 0.0 for cost in border_costs(open_ends.begin))
    ends_in_row, ends_in_column = (cost == 0.0 for cost in border_costs(open_ends.end))
    reached: list[int] = []
    for i, (start, end) in enumerate(zip(first, stop, strict=True)):
        inside = (1 << (end - start)) - 1
        bits = 1 if start == 0 and (i == 0 or begins_in_column) else 0
        if i == 0 and begins_in_row:
            bits = inside
        for rows, columns in moves:
            if 0 < rows <= i:
                shift = first[i - rows] + columns - start
                before = reached[i - rows]
                bits |= before << shift if shift >= 0 else before >> -shift
        bits &= inside
        reached.append(_spread(bits, strides, inside))
        if ends_in_column and end == m and reached[i] >> (m - 1 - start):
            return True
        if i >= MAX_STRIDE:
            reached[i - MAX_STRIDE] = 0  # no step looks back so far
    if ends_in_row:
        return reached[-1] != 0
    return stop[-1] == m and reached[-1] >> (m - 1 - first[-1]) != 0


def _repeat(bits: int, stride: int, inside: int) -> int:
    """Add what any number of steps of one stride along the row reach."""
    while (bits | bits << stride) & inside != bits:
        bits = (bits | bits << stride) & inside
        stride *= 2
    return bits


def _spread(bits: int, strides: Sequence[int], inside: int) -> int:
    """Add what any number of steps along the row reach."""
    while True:
        before = bits
        for stride in strides:
            bits = _repeat(bits, stride, inside)
        if bits == before:
            return bits


def _wide_enough(
    steps: Steps, n: int, m: int, too_narrow: int, band_shape: str, open_ends: OpenEnds
) -> int | None:
    """Return the least whole width of a band that leaves a path, None if even the widest does not.

    `too_narrow` is below it; all that are wider leave a path by the steps of equation 2.
    """

    def leads(width: int) -> bool:
        return leads_through(steps, band_columns(n, m, width, band_shape), m, open_ends)

    widest = max(n, m)
    if not leads(widest):
        return None
    while widest - too_narrow > 1:
        middle = (too_narrow + widest) // 2
        if leads(middle):
            widest = middle
        else:
            too_narrow = middle
    return widest
