"""Checks of options and arrays that the reference, the losses and the alignment share."""

import math
import sys
from numbers import Integral
from typing import Any

import numpy as np

VARIANTS = ("paper", "official", "printed", "laser")
# A band beyond the frames of any video forbids nothing, and kernels count in machine integers.
_WIDEST_BAND = 2**31 - 1


def check_positive(value: float, name: str) -> float:
    """Return `value` as a float, if it is a number, finite and > 0.

    Raises
    ------
    ValueError
        If it is not, or is a tensor that wants a gradient.
    """
    number = _number(value, name)
    if not 0.0 < number < math.inf:
        raise ValueError(f"{name} must be finite and > 0, got {value!r}")
    return number


def check_not_negative(value: float, name: str) -> float:
    """Return `value` as a float, if it is a number, finite and >= 0.

    Raises
    ------
    ValueError
        If it is not, or is a tensor that wants a gradient.
    """
    number = _number(value, name)
    if not 0.0 <= number < math.inf:
        raise ValueError(f"{name} must be finite and >= 0, got {value!r}")
    return number


def _number(value: float, name: str) -> float:
    """Return a number, or an array or a tensor of no dimension, as a float."""
    if type(value) in (float, int):
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"{name} must be a number, got {value!r}") from None
    if _wants_derivative(value):
        raise ValueError(
            f"{name} must be a number, which is not differentiated or traced; got a tensor that "
            "is, pass it detached"
        )
    if isinstance(value, (bool, str, bytes)) or getattr(value, "ndim", 0) != 0:
        raise ValueError(f"{name} must be a number, got {_line(value)}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # torch under vmap: the last
        raise ValueError(f"{name} must be a number, got {_line(value)}") from None


def _line(value: Any) -> str:
    return " ".join(repr(value).split())


def _wants_derivative(value: Any) -> bool:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return False
    forward_ad = torch.autograd.forward_ad
    if torch._C._get_tracing_state() is not None:  # a trace would keep the example's number
        return True
    return value.requires_grad or (
        forward_ad._current_level >= 0 and forward_ad.unpack_dual(value).tangent is not None
    )


def read_array(values: Any, name: str) -> np.ndarray:
    """Return what a user gave as an array, of whatever dtype and shape.

    Raises
    ------
    ValueError
        If it cannot be read as one, or entries of it are masked.
    """
    if np.ma.is_masked(values):
        count = int(np.ma.count_masked(values))
        raise ValueError(
            f"{name} must not have masked entries, got {count} of {np.size(values)}; fill them or "
            "leave them out"
        )
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from None


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
