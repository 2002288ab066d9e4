"""Checks of options that the reference and the losses share; plain Python alone."""

import math

VARIANTS = ("paper", "official", "printed", "laser")


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
