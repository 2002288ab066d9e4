"""The losses in plain tensor operations: any device, derivatives of any order by autograd."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from tacref.losses._checks import valid_rows
from tacref.losses.costs import cost_matrix, exact, gradients_of_embeddings, slopes_along

MOST = torch.iinfo(torch.int64).max


def exact_rows(x: Tensor, lengths: Tensor) -> Tensor:
    """Return embeddings `(B, n, d)` as `exact` does, with zeros in place of what is not valid."""
    return torch.where(valid_rows(lengths, x.shape[1])[..., None], exact(x), 0.0)


def soft_dtw_embeddings(
    x: Tensor, y: Tensor, gamma: float, rows: Tensor, columns: Tensor, band: int
) -> Tensor:
    """Soft-DTW `(B,)` of embeddings, of which `rows`, `columns` `(B,)` are valid."""
    D = cost_matrix(exact_rows(x, rows), exact_rows(y, columns))
    return soft_dtw(D, gamma, rows, columns, band)


def soft_dtw(D: Tensor, gamma: float, rows: Tensor, columns: Tensor, band: int) -> Tensor:
    """Soft-DTW `(B,)` of costs `(B, n, m)`, of which `rows`, `columns` `(B,)` are valid.

    A cost of +inf forbids a cell, and so does a band (-1: none).
    """
    B, n, m = D.shape
    inside = valid_rows(rows, n)[:, :, None] & valid_rows(columns, m)[:, None]
    D = torch.where(inside, exact(D), 0.0)
    if band >= 0:
        steps = torch.arange(n, device=D.device)[:, None] - torch.arange(m, device=D.device)
        D = torch.where(steps.abs() > band, torch.inf, D)
    flipped = D.flip(2)
    # R on the anti-diagonals k - 2 and k - 1, one column a row i from `first` to `last`.
    before = D.new_empty((B, 0))
    previous = D[:, 0, :1]
    diagonals = [previous]
    for k in range(1, n + m - 1):
        first, last = max(0, k - m + 1), min(n - 1, k)
        costs = flipped.diagonal(m - 1 - k, 1, 2)  # D[:, i, k - i], i rising
        up = _rows(previous, k - 1, m, first - 1, last - 1)
        left = _rows(previous, k - 1, m, first, last)
        diagonal = _rows(before, k - 2, m, first - 1, last - 1)
        predecessors = torch.stack((diagonal, up, left))
        # The least one is subtracted first; that it is a constant changes no derivative.
        least = predecessors.detach().amin(0)
        free = least < torch.inf
        least = torch.where(least == torch.inf, 0.0, least)
        excess = torch.where(least.isnan() | free, least - predecessors, 0.0)
        soft = torch.logsumexp(excess / gamma, dim=0)
        here = torch.where(least.isnan() | free, costs + (least - gamma * soft), torch.inf)
        before, previous = previous, here
        diagonals.append(previous)
    # An item's value stands in its last valid cell; what lies beyond does not flow into it.
    last_diagonal = rows + columns - 2
    position = rows - 1 - (last_diagonal - m + 1).clamp(min=0)
    width = min(n, m)
    table = torch.stack([functional.pad(R, (0, width - R.shape[1])) for R in diagonals], 1)
    values = table[torch.arange(B, device=D.device), last_diagonal, position]
    return torch.where(values == torch.inf, values.detach(), values)  # no path, no gradient


def contrastive_idm(
    x: Tensor,
    rows: Tensor,
    times: Tensor,
    video_lengths: Tensor,
    sigma: float,
    margin: float,
    variant: str,
) -> Tensor:
    """Contrastive-IDM `(B,)` of embeddings `(B, n, d)`, of which `rows` `(B,)` are valid.

    `times` `(B, n)` and `video_lengths` `(B,)` are frame numbers and frames of the source videos.
    """
    x = exact_rows(x, rows)
    D = _distances(x, variant)  # (B, n, n)
    far, far_weights, near_weights = _pairs(D, rows, times, video_lengths, sigma, variant)
    # relu and not clamp: its derivative at the kink is 0.
    terms = torch.where(far, far_weights * functional.relu(margin - D), near_weights * D)
    return torch.where(_inside(rows, x.shape[1]), terms, 0.0).sum((1, 2))


def contrastive_idm_hvp(
    x: Tensor,
    u: Tensor,
    rows: Tensor,
    times: Tensor,
    video_lengths: Tensor,
    sigma: float,
    margin: float,
    variant: str,
) -> Tensor:
    """Hessian of each value of `contrastive_idm` times the direction u `(B, n, d)`."""
    x, u = exact_rows(x, rows), exact_rows(u, rows)
    D = _distances(x, variant)
    far, far_weights, near_weights = _pairs(D, rows, times, video_lengths, sigma, variant)
    # eq. 7, differentiated: 0 at the kink
    slopes = torch.where(far, torch.where(margin > D, -far_weights, 0.0), near_weights)
    slopes = torch.where(_inside(rows, x.shape[1]), slopes, 0.0)
    bends = torch.zeros_like(D)
    if variant == "laser":
        # Of sqrt(D): slope 1 / (2 sqrt(D)), and its own slope -1 / (4 D^(3/2)); 0 where D = 0.
        root = torch.where(D == 0, 1.0, D)
        slopes = torch.where(D == 0, 0.0, slopes / (2 * root))
        bends = -slopes / (2 * root.square()) * slopes_along(x, x, u, u)
    # d of 2 sum_j S_ij (x_i - x_j), by the product rule; (i, j) and (j, i) both count
    of_slopes, of_rows = gradients_of_embeddings(bends, x, x), gradients_of_embeddings(slopes, u, u)
    return of_slopes[0] + of_slopes[1] + of_rows[0] + of_rows[1]


def _distances(x: Tensor, variant: str) -> Tensor:
    """Return what equation 7 takes as distances `(B, n, n)`: squared, or not in "laser"."""
    D = cost_matrix(x, x)
    if variant != "laser":
        return D
    # d sqrt(D) / dD is taken as 0 where D = 0.
    return torch.where(D == 0, 0.0, torch.where(D == 0, 1.0, D).sqrt())


def _pairs(
    D: Tensor, rows: Tensor, times: Tensor, video_lengths: Tensor, sigma: float, variant: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Return which pairs are far, and the weights of far and of near ones, all `(B, n, n)`."""
    if variant != "official":
        times = torch.arange(D.shape[1], device=D.device).expand(times.shape)
    steps = times[:, :, None] - times[:, None]
    # On whole frames: a window in floating point misjudges pairs exactly sigma apart.
    far = steps.abs() > min(math.floor(sigma), MOST)
    if variant == "official":
        far_weights = (steps.to(D.dtype) / video_lengths[:, None, None]).square() + 1
        return far, far_weights, torch.ones_like(far_weights)
    far_weights = steps.to(D.dtype).square() + 1
    near_weights = far_weights.reciprocal()
    if variant == "printed":
        far_weights = near_weights
    if variant == "laser":  # a mean over the pairs
        pairs = rows.square()[:, None, None]
        return far, far_weights / pairs, near_weights / pairs
    return far, far_weights, near_weights


def _inside(rows: Tensor, n: int) -> Tensor:
    """Return which pairs of n frames are valid, bool `(B, n, n)`."""
    valid = valid_rows(rows, n)
    return valid[:, :, None] & valid[:, None]


def _rows(R: Tensor, k: int, m: int, first: int, last: int) -> Tensor:
    """Rows `first` to `last` of an anti-diagonal, +inf where they lie outside."""
    start = max(0, k - m + 1)
    stop = start + R.shape[1]  # one beyond its last row
    inside = R[:, max(first, start) - start : max(min(last + 1, stop) - start, 0)]
    missing = max(min(start, last + 1) - first, 0)
    return functional.pad(
        inside, (missing, last + 1 - first - missing - inside.shape[1]), value=torch.inf
    )
