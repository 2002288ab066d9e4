"""Faults in functions of NumPy arrays, which return a value and gradients."""

import numpy as np

from tacref.reference import dtw, soft_dtw_value_and_grad
from tacref.verify.own import implementations
from tests.verify.faults.registry import fault

_OWN = {options["name"]: fn for fn, options in implementations()}
_IDM, _LAV = _OWN["reference.contrastive_idm paper"], _OWN["reference.lav_loss paper"]
_BUFFERS, _SEEN = {}, {}


def of_arrays(kind, loss, *rows, **options):
    return fault(kind, loss, *rows, framework="numpy", **options)


@of_arrays("operator swapped", "soft_dtw", "gradient to D")
def negated_gradient(D, *, gamma):
    value, E = soft_dtw_value_and_grad(D, gamma=gamma)
    return value, -E


@of_arrays("gradient wrong", "soft_dtw", "gradient to D")
def gradient_in_fortran_order(D, *, gamma):
    value, E = soft_dtw_value_and_grad(D, gamma=gamma)
    return value, E.ravel(order="F").reshape(E.shape)


@of_arrays("gradient wrong", "soft_dtw", "gradient to D")
def value_alone(D, *, gamma):
    return soft_dtw_value_and_grad(D, gamma=gamma)[0]


@of_arrays("gradient wrong", "lav", "gradient to x")
def gradients_exchanged(x, y, *, gamma, alpha, sigma, margin):
    value, grad_x, grad_y = _LAV(x, y, gamma=gamma, alpha=alpha, sigma=sigma, margin=margin)
    return value, np.resize(grad_y, grad_x.shape), grad_y


@of_arrays("layout", "soft_dtw", "memory layout")
def array_in_the_order_of_memory(D, *, gamma):
    if D.flags.f_contiguous:
        D = D.ravel(order="F").reshape(D.shape)
    return soft_dtw_value_and_grad(D, gamma=gamma)


@of_arrays("layout", "soft_dtw", "memory layout")
def sign_of_strides_lost(D, *, gamma):
    turned = tuple(slice(None, None, -1 if stride < 0 else 1) for stride in D.strides)
    value, E = soft_dtw_value_and_grad(D[turned], gamma=gamma)
    return value, E


@of_arrays("layout", "dtw", "memory layout")
def steps_of_strides_lost(D):
    if D.base is not None and D.strides[1] == 16:
        D = np.array(D.base[:, : D.shape[1]])
    return dtw(D)


@of_arrays("memory", "soft_dtw", "called again")
def gradient_buffer_reused(D, *, gamma):
    value, E = soft_dtw_value_and_grad(D, gamma=gamma)
    buffer = _BUFFERS.setdefault(D.shape, np.empty(D.shape))
    buffer[...] = E
    return value, buffer


@of_arrays("memory", "contrastive_idm", "called again")
def cached_by_identity(x, *, sigma, margin):
    seen = _SEEN.get("x")
    if seen is None or seen[0] is not x:
        _SEEN["x"] = seen = (x, x.copy())
    return _IDM(seen[1], sigma=sigma, margin=margin)


@of_arrays("in place", "soft_dtw", "inputs left unchanged")
def shifts_its_input(D, *, gamma):
    answer = soft_dtw_value_and_grad(D, gamma=gamma)
    D -= D.min()
    return answer


@of_arrays("precision", "soft_dtw", "value")
def array_in_float32(D, *, gamma):
    return soft_dtw_value_and_grad(D.astype(np.float32), gamma=gamma)


@of_arrays("precision", "dtw", "float32 inputs")
def dtw_in_half_precision(D):
    return dtw(D.astype(np.float16).astype(np.float64) if D.dtype == np.float32 else D)


@of_arrays("length", "dtw", "long sequences: value")
def silent_band(D):
    D = D.copy()
    rows, columns = np.indices(D.shape)
    if min(D.shape) > 700:
        D[np.abs(rows - columns) > 31] = 1e9
    return dtw(D)


@of_arrays("option fixed", "contrastive_idm", "option margin")
def array_margin_fixed(x, *, sigma, margin):
    return _IDM(x, sigma=sigma, margin=2.0)


@of_arrays("option fixed", "lav", "option alpha")
def array_alpha_fixed(x, y, *, gamma, alpha, sigma, margin):
    return _LAV(x, y, gamma=gamma, alpha=0.5, sigma=sigma, margin=margin)


@of_arrays("band", "soft_dtw", "cells of the band")
def array_band_wider(D, *, gamma, band=None):
    return soft_dtw_value_and_grad(
        D, gamma=gamma, band=None if band is None else band + 1, band_shape="offset"
    )


@of_arrays("global state", "soft_dtw", "global state left unchanged")
def array_silences_numpy(D, *, gamma):
    np.seterr(all="ignore")
    return soft_dtw_value_and_grad(D, gamma=gamma)
