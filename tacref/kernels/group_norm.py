"""Group normalization followed by ReLU, and its gradient, with channels last in memory.

A picture is `(P, C)`, a row for each pixel. For each group of channels of a picture

    xhat = (x - mean) / sqrt(variance + eps),    out = max(0, weight * xhat + bias),

with a weight and a bias for each channel. All passes run along rows, which are vectors.
"""

import math

import numpy as np

from tacref.compiled import inner, njit


@njit(cache=True, nogil=True)
def normalize(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, groups: int, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normalize pictures, and set to 0 what is negative then.

    Parameters
    ----------
    x : ndarray of float32, shape (N, P, C)
        Pictures.
    weight, bias : ndarray of float32, shape (C,)
        Of each channel.
    groups : int
        Number of groups, a divisor of C.
    eps : float
        Added to variances.

    Returns
    -------
    out : ndarray of float32, shape (N, P, C)
        NaN where it follows from NaN.
    means, scales : ndarray of float32, shape (N, C)
        mean and 1 / sqrt(variance + eps) of each channel's group.
    """
    N, P, C = x.shape
    out = np.empty_like(x)
    means, scales = np.empty((N, C), np.float32), np.empty((N, C), np.float32)
    for n in range(N):
        sums = np.zeros(C, np.float32)
        for p in range(P):
            for c in range(C):
                sums[c] += x[n, p, c]
        mean = _group_means(sums, groups, P)
        # The variance in a pass of its own: a difference of sums of squares would cancel.
        sums = np.zeros(C, np.float32)
        for p in range(P):
            for c in range(C):
                sums[c] += (x[n, p, c] - mean[c]) ** 2
        scale = _group_means(sums, groups, P)
        for c in range(C):
            scale[c] = 1 / math.sqrt(scale[c] + eps)
        factor = scale * weight
        shift = bias - mean * factor
        for p in range(P):
            for c in range(C):
                y = x[n, p, c] * factor[c] + shift[c]
                out[n, p, c] = np.float32(0) if y < 0 else y
        means[n], scales[n] = mean, scale
    return out, means, scales


@njit(cache=True, nogil=True)
def normalize_grad(
    grad: np.ndarray,
    x: np.ndarray,
    out: np.ndarray,
    weight: np.ndarray,
    groups: int,
    means: np.ndarray,
    scales: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients with respect to x, weight and bias.

    Where g is the gradient with respect to weight * xhat + bias and < > a mean over a group,

        dx = (g weight - <g weight> - xhat <g weight xhat>) / sqrt(variance + eps).

    Parameters
    ----------
    grad : ndarray of float32, shape (N, P, C)
        With respect to `out`.
    x, out, weight, groups, means, scales
        What `normalize` was given, and what it returned.

    Returns
    -------
    grad_x : ndarray of float32, shape (N, P, C)
        With respect to `x`.
    grad_weight, grad_bias : ndarray of float32, shape (C,)
        With respect to `weight` and `bias`.
    """
    N, P, C = x.shape
    grad_x = np.empty_like(x)
    grad_weight, grad_bias = np.zeros(C), np.zeros(C)
    for n in range(N):
        mean, scale = means[n], scales[n]
        sums, products = np.zeros(C, np.float32), np.zeros(C, np.float32)
        for p in range(P):
            for c in range(C):
                g = np.float32(0) if out[n, p, c] <= 0 else grad[n, p, c]
                sums[c] += g
                products[c] += g * ((x[n, p, c] - mean[c]) * scale[c])
        grad_weight += products
        grad_bias += sums
        mean_grad = _group_means(sums * weight, groups, P)
        mean_product = _group_means(products * weight, groups, P)
        for p in range(P):
            for c in range(C):
                g = np.float32(0) if out[n, p, c] <= 0 else grad[n, p, c]
                xhat = (x[n, p, c] - mean[c]) * scale[c]
                grad_x[n, p, c] = scale[c] * (g * weight[c] - mean_grad[c] - xhat * mean_product[c])
    return grad_x, grad_weight.astype(np.float32), grad_bias.astype(np.float32)


@inner
def _group_means(sums: np.ndarray, groups: int, pixels: int) -> np.ndarray:
    """Return for each channel the mean over its group, of sums over the channels' pixels."""
    size = len(sums) // groups
    means = np.empty_like(sums)
    for start in range(0, len(sums), size):
        total = 0.0
        for c in range(start, start + size):
            total += sums[c]
        means[start : start + size] = total / (size * pixels)
    return means
