"""Losses of pairs of videos in plain torch and NumPy, sharing nothing with tacref.

Each takes knobs, all right by default, by which the faults in this folder make it wrong.
"""

import numpy as np
import torch
from scipy.optimize import minimize

from tests.verify.plain import soft_dtw, soft_dtw_of, squared_distances, within


def divergence(x, y, *, gamma, lengths_x=None, lengths_y=None, band=None, share=0.5, own=None):
    """Soft-DTW less half of each with itself."""
    own = own or soft_dtw_of
    of_x = own(x, x, gamma=gamma, lengths_x=lengths_x, lengths_y=lengths_x, band=band)
    of_y = own(y, y, gamma=gamma, lengths_x=lengths_y, lengths_y=lengths_y, band=band)
    options = {"lengths_x": lengths_x, "lengths_y": lengths_y, "band": band}
    return soft_dtw_of(x, y, gamma=gamma, **options) - share * (of_x + of_y)


def tcc(
    x,
    y,
    *,
    temperature,
    lengths_x=None,
    lengths_y=None,
    form="regression_mse_var",
    floor=1e-6,
    weight=0.001,
    positions=None,
    both=True,
):
    """Cycles from each frame to the other video and back."""
    options = {"form": form, "floor": floor, "weight": weight, "positions": positions}
    first = _cycles(x, y, temperature, lengths_x, lengths_y, **options)
    if not both:
        return first
    return 0.5 * (first + _cycles(y, x, temperature, lengths_y, lengths_x, **options))


def _cycles(x, y, temperature, lengths_x, lengths_y, *, form, floor, weight, positions):
    n, ends = _lengths(x, lengths_x)
    m, ends_y = _lengths(y, lengths_y)
    x, y = within(x, lengths_x), within(y, lengths_y)
    in_x, in_y = torch.arange(n) < ends[:, None], torch.arange(m) < ends_y[:, None]

    def softmax(D, inside):
        return (-D / temperature).masked_fill(~inside[:, None], -torch.inf).softmax(2)

    v = softmax(squared_distances(x, y), in_y) @ y
    beta = softmax(squared_distances(v, x), in_x)
    t = torch.arange(n, dtype=x.dtype)[None] / (ends[:, None] if positions is None else positions)
    mean = (beta * t[:, None]).sum(2)
    terms = (t - mean).square()
    if form == "regression_mse_var":
        s = (beta * (t[:, None] - mean[:, :, None]).square()).sum(2) + floor
        terms = terms / s + weight * s.log()
    return torch.where(in_x, terms, 0.0).sum(1) / ends


def sequence_contrastive(
    x, y, *, sigma, temperature, lengths_x=None, lengths_y=None, floor=0.0, both=True, gap_of=None
):
    """Divergence of similarities from nearness in time."""
    n, ends_x = _lengths(x, lengths_x)
    m, ends_y = _lengths(y, lengths_y)
    x, y = within(x, lengths_x), within(y, lengths_y)
    in_x, in_y = torch.arange(n) < ends_x[:, None], torch.arange(m) < ends_y[:, None]
    gaps = torch.arange(n, dtype=x.dtype)[:, None] - torch.arange(m, dtype=x.dtype)
    nearness = -(gap_of or torch.square)(gaps) / (2 * sigma**2) + torch.zeros_like(x[:, :1, :1])
    similarity = x @ y.mT / temperature
    first = _one_way(nearness, similarity, in_x, in_y, floor)
    if not both:
        return first
    return 0.5 * (first + _one_way(nearness.mT, similarity.mT, in_y, in_x, floor))


def _one_way(nearness, similarity, rows, columns, floor):
    def logs(logits):
        logs = logits.masked_fill(~columns[:, None], -torch.inf).log_softmax(2)
        return torch.where(rows[:, :, None] & columns[:, None], logs, 0.0)

    w, p = logs(nearness), logs(similarity)
    inside = rows[:, :, None] & columns[:, None]
    p = torch.where(inside, (p.exp() + floor).log(), 0.0) if floor else p
    return torch.where(inside, w.exp() * (w - p), 0.0).sum((1, 2)) / rows.sum(1)


def _lengths(x, lengths):
    n = x.shape[1]
    return n, torch.full((len(x),), n) if lengths is None else lengths


def path_of(D, *, ties_up=False, reverse=False, moves=((1, 1), (1, 0), (0, 1))):
    """Return value and cheapest path, cell by cell."""
    D = np.asarray(D, np.float64)
    n, m = D.shape
    R, back = {(0, 0): D[0, 0]}, {}
    for i in range(n):
        for j in range(m):
            cells = [(i - a, j - b) for a, b in moves if (i - a, j - b) in R]
            if cells:
                best = min(cells[::-1] if ties_up else cells, key=R.get)
                R[i, j], back[i, j] = R[best] + D[i, j], best
    path = [(n - 1, m - 1)]
    while path[-1] in back:
        path.append(back[path[-1]])
    return R[n - 1, m - 1], path if reverse else path[::-1]


def barycenter(sequences, start, *, gamma, weights=None, options=None):
    """Minimize the sum of soft-DTW by quasi-Newton steps, with gradients by autograd."""
    X = [torch.from_numpy(np.array(each, np.float64)) for each in sequences]
    shares = [1.0] * len(X) if weights is None else weights
    shape = np.shape(start)

    def objective(flat):
        z = torch.from_numpy(flat.reshape(shape)).clone().requires_grad_()
        terms = (w * soft_dtw(squared_distances(z[None], x[None]), gamma=gamma)[0]
                 for w, x in zip(shares, X, strict=True))  # fmt: skip
        total = sum(terms)
        (slope,) = torch.autograd.grad(total, z)
        return total.item(), slope.numpy().ravel()

    limits = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-6} | (options or {})
    begin = np.array(start, np.float64).ravel()
    return minimize(objective, begin, jac=True, method="L-BFGS-B", options=limits).x.reshape(shape)
