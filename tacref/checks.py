"""Checks of options that the reference and the losses share; plain Python alone."""

import math
from numbers import Integral

VARIANTS = ("paper", "official", "printed", "laser")
# A band beyond the frames of any video forbids nothing, and kernels count in machine integers.
_WIDEST_BAND = 2**31 - 1


def check_positive(value: float, name: str) -> float:
    """Return `value` as a float, if it is finite and > 0.

    Raises
    ------
    ValueError
        If it is not.
    """
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be finite and > 0, got {value!r}")
    return float(value)


def check_not_negative(value: float, name: str) -> float:
    """Return `value` as a float, if it is finite and >= 0.

    Raises
    ------
    ValueError
        If it is not.
    """
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and >= 0, got {value!r}")
    return float(value)


def check_variant(variant: str) -> str:
    """Return `variant`, if it is known.

    Raises
    ------
    ValueError
        If it is not.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    return variant


def check_band(band: int | None, n: int, m: int) -> int | None:
    """Return `band` as an int, if it is a whole number that lets some path of `(n, m)` through.

    Raises
    ------
    ValueError
        If it is neither None nor a whole number >= 0, or less than |n - m|.
    """
    if band is None:
        return None
    if isinstance(band, bool) or not (isinstance(band, Integral) and band >= 0):
        raise ValueError(f"band must be a whole number >= 0 or None, got {band!r}")
    if band < abs(n - m):
        raise ValueError(
            f"band must be >= |n - m| = {abs(n - m)} for D of shape {(n, m)}, or no path fits, "
            f"got {band!r}"
        )
    return min(int(band), _WIDEST_BAND)
