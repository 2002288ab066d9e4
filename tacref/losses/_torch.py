"""Soft-DTW in plain tensor operations: any device, derivatives of any order by autograd."""

import torch
from torch import Tensor
from torch.nn import functional


def soft_dtw(D: Tensor, gamma: float, rows: Tensor, columns: Tensor) -> Tensor:
    """Soft-DTW of costs `(B, n, m)`, of which `rows`, `columns` `(B,)` are valid."""
    B, n, m = D.shape
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
        soft = torch.logsumexp((least - predecessors) / gamma, dim=0)
        before, previous = previous, costs + (least - gamma * soft)
        diagonals.append(previous)
    # An item's value stands in its last valid cell; what lies beyond does not flow into it.
    last_diagonal = rows + columns - 2
    position = rows - 1 - (last_diagonal - m + 1).clamp(min=0)
    width = min(n, m)
    table = torch.stack([functional.pad(R, (0, width - R.shape[1])) for R in diagonals], 1)
    return table[torch.arange(B, device=D.device), last_diagonal, position]


def _rows(R: Tensor, k: int, m: int, first: int, last: int) -> Tensor:
    """Rows `first` to `last` of an anti-diagonal, +inf where they lie outside."""
    start = max(0, k - m + 1)
    stop = start + R.shape[1]  # one beyond its last row
    inside = R[:, max(first, start) - start : max(min(last + 1, stop) - start, 0)]
    missing = max(min(start, last + 1) - first, 0)
    return functional.pad(
        inside, (missing, last + 1 - first - missing - inside.shape[1]), value=torch.inf
    )
