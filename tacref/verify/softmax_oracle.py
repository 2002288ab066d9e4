"""Right answers of losses made of softmaxes: cycle-consistency and sequence contrast.

Arrays hold decimals, inside `oracle.high_precision()`, or the widest floats of NumPy; the same
lines serve both, and tests compare them with differences to 50 digits. They share no code with any
loss.
"""

from decimal import Decimal
from typing import Any

import numpy as np

# Of the equation: the weight of log variance, and what is added to the variance.
VARIANCE_WEIGHT, VARIANCE_FLOOR = "0.001", "0.000001"

Gradients = tuple[Any, np.ndarray, np.ndarray]


def as_decimals(array: np.ndarray) -> np.ndarray:
    """Convert floats to decimals, without rounding."""
    flat = [Decimal(float(each)) for each in array.ravel()]
    return np.array(flat, object).reshape(array.shape)


def tcc(x: np.ndarray, y: np.ndarray, temperature: Any, form: str) -> Gradients:
    """Return the cycle-consistency loss and its gradients: half each way."""
    value_x, first_x, first_y = _cycles(x, y, temperature, form)
    value_y, second_y, second_x = _cycles(y, x, temperature, form)
    return (value_x + value_y) / 2, (first_x + second_x) / 2, (first_y + second_y) / 2


def sequence_contrastive(x: np.ndarray, y: np.ndarray, sigma: Any, temperature: Any) -> Gradients:
    """Return the sequence contrastive loss and its gradients, half each way."""
    number = _number_like(x)
    times_x, times_y = (np.array([number(k) for k in range(len(z))], x.dtype) for z in (x, y))
    gaps = times_x[:, None] - times_y[None, :]
    nearness = -gaps * gaps / (2 * sigma * sigma)
    similarity = x.dot(y.T) / temperature
    value_x, slopes = _divergence(nearness, similarity)
    value_y, slopes_back = _divergence(nearness.T, similarity.T)
    by_product = (slopes + slopes_back.T) / (2 * temperature)
    return (value_x + value_y) / 2, by_product.dot(y), by_product.T.dot(x)


def _divergence(nearness: np.ndarray, similarity: np.ndarray) -> tuple[Any, np.ndarray]:
    """Mean over rows of sum w log(w / p), and its slopes in the similarities."""
    log_w, log_p = _log_softmax(nearness), _log_softmax(similarity)
    w, rows = np.exp(log_w), len(nearness)
    return (w * (log_w - log_p)).sum() / rows, (np.exp(log_p) - w) / rows


def _cycles(x: np.ndarray, y: np.ndarray, temperature: Any, form: str) -> Gradients:
    """Return the mean over the cycles x, y, x, and its gradients with respect to x and y."""
    n, number = len(x), _number_like(x)
    alpha = np.exp(_log_softmax(-_squared(x, y) / temperature))
    v = alpha.dot(y)
    beta = np.exp(_log_softmax(-_squared(v, x) / temperature))
    positions = np.array([number(k) / n for k in range(n)], x.dtype)
    mean = beta.dot(positions)
    error = positions - mean
    squares = (positions[None, :] - mean[:, None]) ** 2
    if form == "regression_mse_var":
        s = (beta * squares).sum(1) + number(VARIANCE_FLOOR)
        terms = error**2 / s + number(VARIANCE_WEIGHT) * _log(s)
        by_mean, by_variance = -2 * error / s, number(VARIANCE_WEIGHT) / s - (error / s) ** 2
    else:
        terms, by_mean, by_variance = error**2, -2 * error, 0 * error
    # The variance has slope 0 in the mean, about which it is taken.
    by_beta = by_mean[:, None] * positions[None, :] + by_variance[:, None] * squares
    by_v, by_x = _through_distances(beta, by_beta / n, v, x, temperature)
    by_first, by_second = _through_distances(alpha, by_v.dot(y.T), x, y, temperature)
    return terms.sum() / n, by_x + by_first, alpha.T.dot(by_v) + by_second


def _through_distances(
    weights: np.ndarray, slopes: np.ndarray, u: np.ndarray, v: np.ndarray, temperature: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Pass slopes in weights, the softmax of -||u_i - v_j||^2 / temperature, on to u and v."""
    logits = weights * (slopes - (weights * slopes).sum(1)[:, None])
    by_square = -2 * logits / temperature
    to_u = by_square.sum(1)[:, None] * u - by_square.dot(v)
    to_v = by_square.sum(0)[:, None] * v - by_square.T.dot(u)
    return to_u, to_v


def _squared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return sum((x[:, None, k] - y[None, :, k]) ** 2 for k in range(x.shape[1]))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(1)[:, None]
    return shifted - _log(np.exp(shifted).sum(1))[:, None]


def _log(array: np.ndarray) -> np.ndarray:
    if array.dtype == object:
        return np.array([each.ln() for each in array], object)
    return np.log(array)


def _number_like(array: np.ndarray) -> Any:
    return Decimal if array.dtype == object else np.longdouble
