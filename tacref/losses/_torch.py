"""The losses in plain tensor operations: any device, derivatives of any order by autograd."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from tacref.losses._checks import valid_rows
from tacref.losses.costs import cost_matrix, exact

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
    n = x.shape[1]
    given = exact_rows(x, rows)
    D = cost_matrix(given, given)  # (B, n, n)
    if variant == "laser":
        # d sqrt(D) / dD is taken as 0 where D = 0.
        D = torch.where(D == 0, 0.0, torch.where(D == 0, 1.0, D).sqrt())
    if variant != "official":
        times = torch.arange(n, device=x.device).expand(times.shape)
    steps = times[:, :, None] - times[:, None]
    # On whole frames: a window in floating point misjudges pairs exactly sigma apart.
    far = steps.abs() > min(math.floor(sigma), MOST)
    if variant == "official":
        far_weights = (steps.to(D.dtype) / video_lengths[:, None, None]).square() + 1
        near_weights = torch.ones_like(far_weights)
    else:
        far_weights = steps.to(D.dtype).square() + 1
        near_weights = far_weights.reciprocal()
        if variant == "printed":
            far_weights = near_weights
    # relu and not clamp: its derivative at the kink is 0.
    terms = torch.where(far, far_weights * functional.relu(margin - D), near_weights * D)
    valid = valid_rows(rows, n)
    values = torch.where(valid[:, :, None] & valid[:, None], terms, 0.0).sum((1, 2))
    return values / rows.square() if variant == "laser" else values


def _rows(R: Tensor, k: int, m: int, first: int, last: int) -> Tensor:
    """Rows `first` to `last` of an anti-diagonal, +inf where they lie outside."""
    start = max(0, k - m + 1)
    stop = start + R.shape[1]  # one beyond its last row
    inside = R[:, max(first, start) - start : max(min(last + 1, stop) - start, 0)]
    missing = max(min(start, last + 1) - first, 0)
    return functional.pad(
        inside, (missing, last + 1 - first - missing - inside.shape[1]), value=torch.inf
    )
