"""Soft-DTW for training (equation 4): function, expected alignment, module."""

from torch import Tensor

from tacref.losses.arguments import (
    check_costs,
    check_gamma,
    check_pair,
    full_precision,
    reduce,
)
from tacref.losses.backend import choose_backend
from tacref.losses.lengths import Lengths, check_bands
from tacref.losses.module import SoftDTWModule


def soft_dtw(
    D: Tensor,
    gamma: float = 0.1,
    *,
    lengths_x: Lengths | None = None,
    lengths_y: Lengths | None = None,
    band: int | None = None,
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
    band : int, optional
        Sakoe-Chiba band: cells with |i - j| > band are forbidden. At least |n - m| of each item,
        by its lengths. By default there is no band.
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
    arguments = check_costs(D, gamma, lengths_x, lengths_y, band)
    implementation = choose_backend(backend, D.device)
    with full_precision(D):
        values = implementation.soft_dtw(D, *arguments)
    return values.to(D.dtype)


def expected_alignment(
    D: Tensor,
    gamma: float = 0.1,
    *,
    lengths_x: Lengths | None = None,
    lengths_y: Lengths | None = None,
    band: int | None = None,
    backend: str | None = None,
) -> Tensor:
    """Return the expected alignment under the Gibbs law over paths, the gradient E of soft-DTW.

    Parameters
    ----------
    D, gamma, lengths_x, lengths_y, band, backend
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
    arguments = check_costs(D, gamma, lengths_x, lengths_y, band)
    implementation = choose_backend(backend, D.device)
    with full_precision(D):
        E = implementation.expected_alignment(D, *arguments)
    return E.to(D.dtype)


def soft_dtw_of_embeddings(
    x: Tensor,
    y: Tensor,
    *,
    gamma: float,
    lengths_x: Lengths | None,
    lengths_y: Lengths | None,
    band: int | None,
    backend: str | None,
) -> Tensor:
    """Soft-DTW `(B,)` of squared Euclidean costs, in float64 for `SoftDTWLoss` to reduce.

    The parameters are those of `SoftDTWLoss` and of its call.
    """
    valid_x, valid_y = check_pair(x, y, lengths_x, lengths_y)
    n, m = x.shape[1], y.shape[1]
    gamma = check_gamma(gamma, n, m)
    band = check_bands(band, n, m, lengths_x, lengths_y)
    implementation = choose_backend(backend, x.device)
    with full_precision(x):
        return implementation.soft_dtw_of_embeddings(x, y, gamma, valid_x, valid_y, band)


class SoftDTWLoss(SoftDTWModule):
    """Soft-DTW between embeddings of two videos, with squared Euclidean costs.

    Parameters
    ----------
    gamma : float
        Smoothing, > 0, in squared distance.
    reduction : {"mean", "sum", "none"}
        Over the batch.
    band : int, optional
        As for `soft_dtw`.
    backend : {"cpu", "triton", "torch"}, optional
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
        values = soft_dtw_of_embeddings(
            x,
            y,
            gamma=self.gamma,
            lengths_x=lengths_x,
            lengths_y=lengths_y,
            band=self.band,
            backend=self.backend,
        )
        return reduce(values, self.reduction).to(x.dtype)
