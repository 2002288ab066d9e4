"""Soft-DTW for training (equation 4): function, expected alignment, module."""

import torch
from torch import Tensor

from tacref.losses.arguments import (
    SoftDTWArguments,
    check_costs,
    check_embeddings,
    full_precision,
    reduce,
)
from tacref.losses.backend import check_takes_steps, choose_backend
from tacref.losses.backends import eager
from tacref.losses.backends.stepwise import soft_dtw_by_steps
from tacref.losses.bands import StepsLike, forbid_outside
from tacref.losses.costs import cost_matrix
from tacref.losses.lengths import Lengths
from tacref.losses.module import SoftDTWModule


def soft_dtw(
    D: Tensor,
    gamma: float = 0.1,
    *,
    lengths_x: Lengths | None = None,
    lengths_y: Lengths | None = None,
    steps: StepsLike = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
    backend: str | None = None,
) -> Tensor:
    """Soft-DTW discrepancy of a batch of cost matrices (equation 4).

    Computed in float64 whatever the dtype of `D` (in float32 on a device without float64).

    Parameters
    ----------
    D : Tensor, shape (B, n, m)
        Costs between frames, of any floating-point dtype; +inf forbids a cell.
    gamma : float
        Smoothing, > 0, in the unit of `D`; small values approach DTW. At least 1e-300 for
        backend "torch".
    lengths_x, lengths_y : Tensor of int or sequence of int, shape (B,), optional
        Valid rows and columns of each item, from 1 to n and m; by default all. What lies beyond
        has no influence, even if it is NaN, and a gradient of exactly 0.
    steps : {"any", "slope", "asymmetric"} or sequence of (int, int, float)
        Steps of a path and their weights, as for `tacref.reference.dtw`. Others than "any" are for
        backend "torch", which then is the default.
    band : int or float, optional
        Frames are matched only within this band, whose width is in frames of the shorter sequence
        ("itakura": the largest slope, >= 1); of each item, by its lengths. By default there is no
        band.
    band_shape : {"diagonal", "offset", "itakura"}
        Around the line from corner to corner, |i - j| <= band, or a parallelogram between the
        corners; `tacref.bands.band_columns` defines them. Where an item has n != m,
        backends "cpu" and "triton" compute "diagonal" and "itakura" from the matrix of costs.
    backend : {"cpu", "triton", "torch"}, optional
        "cpu": Numba kernels, for tensors on the CPU; "triton": CUDA kernels, with Triton;
        "torch": tensor operations on any device. All have derivatives of any order; the first two
        refuse third derivatives in forward mode. By default "cpu" for tensors on the CPU,
        "triton" for CUDA where Triton is installed, and "torch" for others. One that is not
        available is an error.

    Returns
    -------
    Tensor, shape (B,)
        Soft minimum over all alignments, in the unit and dtype of `D`; may be negative.

    Raises
    ------
    TypeError
        If `D` is not a tensor.
    ValueError
        If an argument is not as described. The values of `D` are not checked, which would wait
        for a device: NaN gives NaN, in its own item alone, and where no path is free the value
        is +inf and the gradient 0.

    References
    ----------
    Cuturi & Blondel, "Soft-DTW", ICML 2017.
    """
    arguments = check_costs(D, gamma, lengths_x, lengths_y, steps, band, band_shape)
    with full_precision(D):
        values = soft_dtw_of_costs(D, arguments, backend)
    return values.to(D.dtype)


def expected_alignment(
    D: Tensor,
    gamma: float = 0.1,
    *,
    lengths_x: Lengths | None = None,
    lengths_y: Lengths | None = None,
    steps: StepsLike = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
    backend: str | None = None,
) -> Tensor:
    """Return the expected alignment under the Gibbs law over paths, the gradient E of soft-DTW.

    Parameters
    ----------
    D, gamma, lengths_x, lengths_y, steps, band, band_shape, backend
        As for `soft_dtw`.

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
    arguments = check_costs(D, gamma, lengths_x, lengths_y, steps, band, band_shape)
    with full_precision(D):
        E = expected_alignment_of_costs(D, arguments, backend)
    return E.to(D.dtype)


class SoftDTWLoss(SoftDTWModule):
    """Soft-DTW between embeddings of two videos, with squared Euclidean costs.

    Parameters
    ----------
    gamma : float
        Smoothing, > 0, in squared distance.
    reduction : {"mean", "sum", "none"}
        Over the batch.
    steps, band, band_shape, backend
        As for `soft_dtw`.

    Raises
    ------
    ValueError
        If an argument is not as described.
    """

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
        arguments = check_embeddings(
            x, y, self.gamma, lengths_x, lengths_y, self.steps, self.band, self.band_shape
        )
        with full_precision(x):
            values = soft_dtw_of_embeddings(x, y, arguments, self.backend)
        return reduce(values, self.reduction).to(x.dtype)


def soft_dtw_of_costs(D: Tensor, arguments: SoftDTWArguments, backend: str | None) -> Tensor:
    """Soft-DTW `(B,)` of costs `(B, n, m)`.

    Raises
    ------
    ValueError
        If the backend is unknown, cannot compute on the device, or does not take the steps.
    """
    gamma, lengths_x, lengths_y, moves, _ = arguments
    D, width = _allowed(D, arguments)
    if moves is not None:
        check_takes_steps(backend)
        return soft_dtw_by_steps(D, gamma, lengths_x, lengths_y, moves)
    return choose_backend(backend, D.device).soft_dtw(D, gamma, lengths_x, lengths_y, width)


def expected_alignment_of_costs(
    D: Tensor, arguments: SoftDTWArguments, backend: str | None
) -> Tensor:
    """Return the gradient `(B, n, m)` of `soft_dtw_of_costs`.

    Raises
    ------
    ValueError
        As `soft_dtw_of_costs`.
    """
    gamma, lengths_x, lengths_y, moves, _ = arguments
    if moves is not None:
        return torch.func.grad(lambda D: soft_dtw_of_costs(D, arguments, backend).sum())(D)
    D, width = _allowed(D, arguments)
    implementation = choose_backend(backend, D.device)
    return implementation.expected_alignment(D, gamma, lengths_x, lengths_y, width)


def soft_dtw_of_embeddings(
    x: Tensor, y: Tensor, arguments: SoftDTWArguments, backend: str | None
) -> Tensor:
    """Soft-DTW `(B,)` of squared distances between embeddings `(B, n, d)` and `(B, m, d)`.

    Raises
    ------
    ValueError
        As `soft_dtw_of_costs`.
    """
    gamma, lengths_x, lengths_y, moves, band = arguments
    width = band.kernel_width
    if moves is None and width is not None:
        implementation = choose_backend(backend, x.device)
        return implementation.soft_dtw_of_embeddings(x, y, gamma, lengths_x, lengths_y, width)
    D = cost_matrix(eager.exact_rows(x, lengths_x), eager.exact_rows(y, lengths_y))
    return soft_dtw_of_costs(D, arguments, backend)


def _allowed(D: Tensor, arguments: SoftDTWArguments) -> tuple[Tensor, int]:
    """Return costs and the width that backends take; a band they do not know forbids by +inf."""
    width = arguments.band.kernel_width
    if arguments.moves is None and width is not None:
        return D, width
    return forbid_outside(D, arguments.band, arguments.lengths_x, arguments.lengths_y), -1
