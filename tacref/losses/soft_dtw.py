"""Soft-DTW for training (equation 4): function, expected alignment, module."""

import torch
from torch import Tensor, nn

from tacref.checks import check_positive
from tacref.losses import _torch
from tacref.losses._checks import (
    Lengths,
    check_backend,
    check_batch,
    check_lengths,
    check_pair,
    check_reduction,
    exact,
    exact_rows,
    reduce,
    valid_rows,
)
from tacref.losses.costs import cost_matrix


def soft_dtw(
    D: Tensor,
    gamma: float = 0.1,
    *,
    lengths_x: Lengths | None = None,
    lengths_y: Lengths | None = None,
    backend: str | None = None,
) -> Tensor:
    """Soft-DTW discrepancy of a batch of cost matrices (equation 4).

    Computed in float64 whatever the dtype of `D` (in float32 on a device without float64).

    Parameters
    ----------
    D : Tensor, shape (B, n, m)
        Costs between frames, of any floating-point dtype.
    gamma : float
        Smoothing, > 0, in the unit of `D`; small values approach DTW.
    lengths_x, lengths_y : Tensor of int or sequence of int, shape (B,), optional
        Valid rows and columns of each item, from 1 to n and m; by default all. What lies beyond
        has no influence, even if it is NaN, and a gradient of exactly 0.
    backend : {"cpu", "torch"}, optional
        "cpu": Numba kernels, for tensors on the CPU, first derivatives; "torch": tensor
        operations on any device, derivatives of any order. By default "cpu" for tensors on the
        CPU and "torch" for others.

    Returns
    -------
    Tensor, shape (B,)
        Soft minimum over all alignments, in the unit and dtype of `D`; may be negative.

    Raises
    ------
    TypeError
        If `D` is not a tensor.
    ValueError
        If an argument is not as described. The values of `D` must be finite, but are not
        checked, which would wait for a device: NaN gives NaN, in its own item alone.

    References
    ----------
    Cuturi & Blondel, "Soft-DTW", ICML 2017.
    """
    B, n, m = check_batch(D, "D", "(B, n, m)").shape
    gamma = check_positive(gamma, "gamma")
    rows = check_lengths(lengths_x, B, n, D, "lengths_x")
    columns = check_lengths(lengths_y, B, m, D, "lengths_y")
    costs = exact(D)
    if lengths_x is not None or lengths_y is not None:
        inside = valid_rows(rows, n)[:, :, None] & valid_rows(columns, m)[:, None]
        costs = torch.where(inside, costs, 0.0)
    if _choose(backend, D) == "torch":
        return _torch.soft_dtw(costs, gamma, rows, columns).to(D.dtype)
    from tacref.losses import _cpu

    return _cpu.soft_dtw(costs, gamma, rows, columns).to(D.dtype)


def expected_alignment(
    D: Tensor,
    gamma: float = 0.1,
    *,
    lengths_x: Lengths | None = None,
    lengths_y: Lengths | None = None,
    backend: str | None = None,
) -> Tensor:
    """Return the expected alignment under the Gibbs law over paths, the gradient E of soft-DTW.

    Parameters
    ----------
    D, gamma, lengths_x, lengths_y, backend
        As for `soft_dtw`. To differentiate E, take backend "torch".

    Returns
    -------
    Tensor, shape (B, n, m)
        Entries in [0, 1]; 1 in the first and the last valid corner, 0 beyond.

    Raises
    ------
    TypeError
        If `D` is not a tensor.
    ValueError
        If an argument is not as described.
    """
    check_batch(D, "D", "(B, n, m)")
    differentiable = torch.is_grad_enabled() and D.requires_grad
    with torch.inference_mode(False), torch.enable_grad():
        costs = D if differentiable else D.detach().clone().requires_grad_()
        values = soft_dtw(costs, gamma, lengths_x=lengths_x, lengths_y=lengths_y, backend=backend)
        (E,) = torch.autograd.grad(values.sum(), costs, create_graph=differentiable)
    return E


class SoftDTWLoss(nn.Module):
    """Soft-DTW between embeddings of two videos, with squared Euclidean costs.

    Parameters
    ----------
    gamma : float
        Smoothing, > 0, in squared distance.
    reduction : {"mean", "sum", "none"}
        Over the batch.
    backend : {"cpu", "torch"}, optional
        As for `soft_dtw`.

    Raises
    ------
    ValueError
        If an argument is not as described.
    """

    def __init__(
        self, *, gamma: float = 0.1, reduction: str = "mean", backend: str | None = None
    ) -> None:
        super().__init__()
        self.gamma = check_positive(gamma, "gamma")
        self.reduction = check_reduction(reduction)
        self.backend = check_backend(backend)

    def forward(
        self,
        x: Tensor,
        y: Tensor,
        *,
        lengths_x: Lengths | None = None,
        lengths_y: Lengths | None = None,
    ) -> Tensor:
        """Return the loss of embeddings `x` `(B, n, d)` and `y` `(B, m, d)`.

        Raises
        ------
        ValueError
            If shapes, dtypes, devices or lengths do not fit.
        """
        check_pair(x, y)
        rows = exact_rows(x, check_lengths(lengths_x, len(x), x.shape[1], x, "lengths_x"))
        columns = exact_rows(y, check_lengths(lengths_y, len(y), y.shape[1], y, "lengths_y"))
        values = soft_dtw(
            cost_matrix(rows, columns),
            self.gamma,
            lengths_x=lengths_x,
            lengths_y=lengths_y,
            backend=self.backend,
        )
        return reduce(values, self.reduction).to(x.dtype)

    def extra_repr(self) -> str:
        """Return the parameters."""
        return f"gamma={self.gamma}, reduction={self.reduction!r}, backend={self.backend!r}"


def _choose(backend: str | None, D: Tensor) -> str:
    check_backend(backend)
    if backend is None:
        return "cpu" if D.device.type == "cpu" else "torch"
    if backend == "cpu" and D.device.type != "cpu":
        raise ValueError(f"backend 'cpu' needs tensors on the CPU, got {D.device}")
    return backend
