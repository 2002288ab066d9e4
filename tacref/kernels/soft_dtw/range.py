"""Which values of soft-DTW are beyond the range of the kernels."""

import numpy as np

# R / gamma up to which exponents are exact, with room for sums that exceed their result.
_MAX_EXPONENT = 2.0**50


def out_of_range(
    values: np.ndarray, gamma: float, lengths_x: np.ndarray, lengths_y: np.ndarray, band: int
) -> np.ndarray:
    """Return the items whose values the kernels may have wrong.

    These are values that are not finite or very large; and where there is only one path, values
    smaller than gamma, as the kernels' values are rounded in units of gamma.
    """
    size = np.abs(values)
    if gamma >= 1e-290 and gamma <= size.min() and size.max() < _MAX_EXPONENT * gamma:
        return np.empty(0, np.int64)  # as nearly always
    wrong = ~(size < _MAX_EXPONENT * gamma)
    if gamma < 1e-290:  # 1 / gamma, or D / gamma, overflows
        wrong[:] = True
    one_path = (lengths_x == 1) | (lengths_y == 1) | (band == 0)
    return np.flatnonzero(wrong | (one_path & (size < gamma)))
