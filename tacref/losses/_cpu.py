"""Soft-DTW on the CPU: Numba kernels along anti-diagonals, float64.

The cells of one anti-diagonal i + j = k do not depend on each other. A kernel therefore keeps
three of them, and stores what it keeps by diagonal: `weights[:, b, k, i - first]` belongs to the
cell (i, k - i), where `first` is the first row on the diagonal k.
"""

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd import Function


def soft_dtw(D: Tensor, gamma: float, rows: Tensor, columns: Tensor) -> Tensor:
    """Soft-DTW of float64 CPU costs `(B, n, m)`, of which `rows`, `columns` `(B,)` are valid."""
    return _SoftDTW.apply(D, gamma, rows, columns)


class _SoftDTW(Function):
    @staticmethod
    def forward(ctx: Any, D: Tensor, gamma: float, rows: Tensor, columns: Tensor) -> Tensor:
        lengths = rows.numpy(), columns.numpy()
        values, weights = _forward(np.ascontiguousarray(D.detach().numpy()), gamma, *lengths)
        ctx.save_for_backward(D, torch.from_numpy(weights), rows, columns)
        return torch.from_numpy(values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _Flow.apply(grad, *ctx.saved_tensors), None, None, None


class _Flow(Function):
    """The gradient with respect to D, which has no derivative of its own here."""

    @staticmethod
    def forward(
        ctx: Any, grad: Tensor, D: Tensor, weights: Tensor, rows: Tensor, columns: Tensor
    ) -> Tensor:
        E = np.zeros(D.shape)
        _backward(weights.numpy(), grad.contiguous().numpy(), rows.numpy(), columns.numpy(), E)
        return torch.from_numpy(E)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        raise RuntimeError(
            "soft_dtw: backend 'cpu' has no second derivative; use backend='torch' for it"
        )


@njit(cache=True, nogil=True)
def _forward(
    D: np.ndarray, gamma: float, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    B = len(D)
    values = np.empty(B)
    # Softmin weights of each cell's diagonal, upper and left predecessor.
    diagonals, width = D.shape[1] + D.shape[2] - 1, min(D.shape[1], D.shape[2])
    weights = np.empty((3, B, diagonals, width))
    for b in range(B):
        n, m = rows[b], columns[b]
        # R on three neighboring anti-diagonals, row i at index i + 1; inf outside.
        before = np.full(n + 2, np.inf)  # k - 2
        previous = np.full(n + 2, np.inf)  # k - 1
        current = np.full(n + 2, np.inf)
        before[0] = 0.0  # the origin, from which the cell (0, 0) is entered
        for k in range(n + m - 1):
            first, last = max(0, k - m + 1), min(n - 1, k)
            for i in range(first, last + 1):
                diagonal, up, left = before[i], previous[i], previous[i + 1]
                least = min(diagonal, min(up, left))
                p_diagonal = math.exp((least - diagonal) / gamma)
                p_up = math.exp((least - up) / gamma)
                p_left = math.exp((least - left) / gamma)
                total = p_diagonal + p_up + p_left
                weights[0, b, k, i - first] = p_diagonal / total
                weights[1, b, k, i - first] = p_up / total
                weights[2, b, k, i - first] = p_left / total
                current[i + 1] = D[b, i, k - i] + (least - gamma * math.log(total))
            # The row above is outside here, and was not always; the one below never was inside.
            current[first] = np.inf
            before, previous, current = previous, current, before
        values[b] = previous[n]
    return values, weights


@njit(cache=True, nogil=True)
def _backward(
    weights: np.ndarray, grad: np.ndarray, rows: np.ndarray, columns: np.ndarray, E: np.ndarray
) -> None:
    for b in range(len(E)):
        n, m = rows[b], columns[b]
        # Each cell collects from its three successors what they pass back to it.
        after = np.empty(n)  # E on k + 2
        following = np.empty(n)  # k + 1
        current = np.empty(n)
        for k in range(n + m - 2, -1, -1):
            first, last = max(0, k - m + 1), min(n - 1, k)
            next_first, second_first = max(0, k - m + 2), max(0, k - m + 3)
            for i in range(first, last + 1):
                j = k - i
                mass = 0.0
                if i == n - 1 and j == m - 1:
                    mass = grad[b]
                if i + 1 < n and j + 1 < m:
                    mass += after[i + 1] * weights[0, b, k + 2, i + 1 - second_first]
                if i + 1 < n:
                    mass += following[i + 1] * weights[1, b, k + 1, i + 1 - next_first]
                if j + 1 < m:
                    mass += following[i] * weights[2, b, k + 1, i - next_first]
                current[i] = mass
                E[b, i, j] = mass
            after, following, current = following, current, after
