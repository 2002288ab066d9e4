"""Soft-DTW by any steps in plain tensor operations, along anti-diagonals."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from tacref.losses.backends.eager import check_smallest_gamma, of_one_size
from tacref.losses.costs import exact
from tacref.losses.lengths import valid_rows


def soft_dtw_by_steps(
    D: Tensor,
    gamma: float,
    lengths_x: Tensor,
    lengths_y: Tensor,
    moves: Sequence[tuple[int, int, float]],
) -> Tensor:
    """Soft-DTW `(B,)` of costs `(B, n, m)`, of which `lengths_x`, `lengths_y` `(B,)` are valid.

    `moves` are the rows, columns and weight of each step. A cost of +inf forbids a cell. Where no
    path leads to the last valid cell, the value is +inf.
    """
    check_smallest_gamma(gamma)
    B, n, m = D.shape
    inside = valid_rows(lengths_x, n)[:, :, None] & valid_rows(lengths_y, m)[:, None]
    D = torch.where(inside, exact(of_one_size(D)), torch.inf)
    # Row i of D starts at column i, so that column k holds the anti-diagonal i + j = k.
    skewed = functional.pad(D, (0, n), value=torch.inf).flatten(1)[:, : n * (n + m - 1)]
    costs = skewed.unflatten(1, (n, n + m - 1)).unbind(2)
    first = torch.arange(n, device=D.device) == 0
    diagonals = [torch.where(first, costs[0], torch.inf)]
    for k in range(1, n + m - 1):
        forbidden = costs[k].detach() == torch.inf
        cost = torch.where(forbidden, 0.0, costs[k])
        arriving = [
            functional.pad(diagonals[k - rows - columns], (rows, 0), value=torch.inf)[:, :n]
            + weight * cost
            for rows, columns, weight in moves
            if rows + columns <= k
        ]
        if not arriving:
            diagonals.append(torch.full_like(diagonals[0], torch.inf))
            continue
        diagonals.append(_softmin(torch.stack(arriving), forbidden, gamma))
    table = torch.stack(diagonals, 1)  # (B, n + m - 1, n)
    values = table[torch.arange(B, device=D.device), lengths_x + lengths_y - 2, lengths_x - 1]
    # no path, no gradient
    return torch.where(values == torch.inf, values.detach(), values)


def _softmin(sums: Tensor, forbidden: Tensor, gamma: float) -> Tensor:
    """Softmin (equation 3) of `(K, B, n)`; +inf where all are, or where it is forbidden."""
    # The least one is subtracted first; that it is a constant changes no derivative.
    least = sums.detach().amin(0)
    free = ~forbidden & ((least < torch.inf) | least.isnan())
    least = torch.where(free, least, 0.0)
    logits = torch.where(free, least - sums, 0.0) / gamma
    return torch.where(free, least - gamma * torch.logsumexp(logits, dim=0), torch.inf)
