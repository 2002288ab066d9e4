"""Checks of options and arrays that the reference, the losses and the alignment share."""

import functools
import math
import sys
from collections.abc import Callable
from numbers import Integral
from typing import Any, ParamSpec, TypeVar, overload

import numpy as np

from tacref.variants import VARIANTS

# Weights, margins, windows and temperatures: beyond these their products and quotients overflow.
MIN_SCALE, MAX_WEIGHT = 1e-100, 1e100
# Differences of such times stay finite when they are divided by the smallest window and squared.
MAX_TIME = 1e50
# A band beyond the frames of any video forbids nothing, and kernels use machine integers.
_MAX_BAND = 2**31 - 1
# Which cells a band leaves: `tacref.bands` defines them.
BAND_SHAPES = ("diagonal", "offset", "itakura")

P = ParamSpec("P")
R = TypeVar("R")


def check_positive(value: float, name: str, *, least: float = 0.0, most: float = math.inf) -> float:
    """Return `value` as a float, if it is a number, finite, > 0 and from `least` to `most`.

    Raises
    ------
    ValueError
        If it is not, or is a tensor that requires a gradient.
    """
    number = _as_number(value, name)
    if not 0.0 < number < math.inf:
        raise ValueError(f"{name} must be finite and > 0, got {in_one_line(value)}")
    if number < least:
        raise ValueError(f"{name} must be at least {least:g}, got {in_one_line(value)}")
    return _check_at_most(number, name, most)


def check_not_negative(value: float, name: str, *, most: float = math.inf) -> float:
    """Return `value` as a float, if it is a number, finite, >= 0 and at most `most`.

    Raises
    ------
    ValueError
        If it is not, or is a tensor that requires a gradient.
    """
    number = _as_number(value, name)
    if not 0.0 <= number < math.inf:
        raise ValueError(f"{name} must be finite and >= 0, got {in_one_line(value)}")
    return _check_at_most(number, name, most)


def _check_at_most(number: float, name: str, most: float) -> float:
    if number > most:
        raise ValueError(f"{name} must be at most {most:g}, got {number!r}")
    return number


def _as_number(value: float, name: str) -> float:
    """Return a number, or an array or tensor without dimensions, as a float."""
    if type(value) in (float, int):
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"{name} must be a number, got {in_one_line(value)}") from None
    if _is_differentiated(value):
        raise ValueError(
            f"{name} must be a number, which is not differentiated or traced; got a tensor that "
            "is, pass it detached"
        )
    if isinstance(value, (bool, str, bytes)) or getattr(value, "ndim", 0) != 0:
        raise ValueError(f"{name} must be a number, got {in_one_line(value)}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # torch under vmap: the last
        raise ValueError(f"{name} must be a number, got {in_one_line(value)}") from None


def in_one_line(value: Any) -> str:
    """Return a value for a message: on one line, and shortened if it is long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python does not print whole numbers of thousands of digits
        return f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:70]}..."


def _is_differentiated(value: Any) -> bool:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return False
    forward_ad = torch.autograd.forward_ad
    if torch._C._get_tracing_state() is not None:  # a trace would keep the example's number
        return True
    return value.requires_grad or (
        forward_ad._current_level >= 0 and forward_ad.unpack_dual(value).tangent is not None
    )


def takes_costs(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function of costs explain what to do with embeddings, if it is called with two."""

    @functools.wraps(function)
    def checked(*arguments: P.args, **options: P.kwargs) -> R:
        if len(arguments) > 1:
            raise TypeError(
                f"{function.__name__} takes one positional argument, the costs, got "
                f"{len(arguments)}; cost_matrix(x, y) computes the costs of embeddings"
            )
        return function(*arguments, **options)

    return checked


def read_array(values: Any, name: str) -> np.ndarray:
    """Return a user's values as an array, of any dtype and shape.

    Raises
    ------
    ValueError
        If they cannot be read as one, or entries are masked.
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
    if not isinstance(variant, str) or variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    return variant


def check_band_shape(shape: str) -> str:
    """Return `shape`, if it is one of `BAND_SHAPES`.

    Raises
    ------
    ValueError
        If it is not.
    """
    if not isinstance(shape, str) or shape not in BAND_SHAPES:
        raise ValueError(
            f"band_shape must be one of {', '.join(BAND_SHAPES)}, got {in_one_line(shape)}"
        )
    return shape


@overload
def check_band(band: int | None, n: int, m: int) -> int | None: ...
@overload
def check_band(band: float | None, n: int, m: int, shape: str) -> float | None: ...
def check_band(band: float | None, n: int, m: int, shape: str = "offset") -> float | None:
    """Return `band`, if it is of its shape's type and lets some path of `(n, m)` through.

    Whether "itakura" lets one through is for `tacref.bands.band_columns` to say.

    Raises
    ------
    ValueError
        If it is neither None nor a whole number >= 0 ("itakura": a number >= 1); "offset": if it
        is less than |n - m|; "diagonal": if it is 0 and n != m.
    """
    if band is None:
        return None
    if shape == "itakura":
        return check_positive(band, "band", least=1.0)
    if isinstance(band, bool) or not (isinstance(band, Integral) and band >= 0):
        raise ValueError(f"band must be a whole number >= 0 or None, got {in_one_line(band)}")
    if shape == "offset" and band < abs(n - m):
        raise ValueError(
            f"band must be >= |n - m| = {abs(n - m)} for n = {n} and m = {m}, or no path fits, "
            f"got {band!r}"
        )
    if shape == "diagonal" and band == 0 and n != m and min(n, m) > 1:
        raise ValueError(
            f"band must be >= 1 for n = {n} and m = {m}, or no path fits, got {band!r}"
        )
    return min(int(band), _MAX_BAND)
