"""Soft-DTW divergence for training: soft-DTW without its bias (Blondel, Mensch & Vert 2021)."""

from torch import Tensor

from tacref.losses._soft_dtw import soft_dtw_of_embeddings
from tacref.losses.arguments import (
    check_embeddings,
    check_gamma,
    full_precision,
    reduce,
    storable,
)
from tacref.losses.bands import StepsLike
from tacref.losses.lengths import Lengths
from tacref.losses.module import SoftDTWModule


def soft_dtw_divergence(
    x: Tensor,
    y: Tensor,
    *,
    gamma: float = 0.1,
    lengths_x: Lengths | None = None,
    lengths_y: Lengths | None = None,
    steps: StepsLike = "any",
    band: float | None = None,
    band_shape: str = "diagonal",
    backend: str | None = None,
) -> Tensor:
    """Soft-DTW between two videos less the mean of soft-DTW of each with itself, of a batch.

    `dtw_gamma(X, Y) - (dtw_gamma(X, X) + dtw_gamma(Y, Y)) / 2`, on squared Euclidean costs.
    Computed in float64 whatever the dtype (in float32 on a device without float64), but for what
    docs/losses.md says of float32 on the CPU.

    Parameters
    ----------
    x : Tensor, shape (B, n, d)
        Frame embeddings of one video of each pair.
    y : Tensor, shape (B, m, d)
        Frame embeddings of the other.
    gamma : float
        Smoothing, > 0, in squared distance.
    lengths_x, lengths_y, steps, band, band_shape, backend
        As for `soft_dtw`, of all three terms.

    Returns
    -------
    Tensor, shape (B,)
        In squared distance and the dtype of `x`; 0, with no gradient, where `x` equals `y`.

    Raises
    ------
    TypeError
        If `x` or `y` is not a tensor.
    ValueError
        If an argument is not as described.

    References
    ----------
    Blondel, Mensch & Vert, "Differentiable Divergences Between Time Series", AISTATS 2021.
    """
    arguments = check_embeddings(x, y, gamma, lengths_x, lengths_y, steps, band, band_shape)
    check_gamma(gamma, 2 * x.shape[1], 2 * y.shape[1])
    of_x, of_y = (
        check_embeddings(z, z, gamma, lengths, lengths, steps, band, band_shape)
        for z, lengths in ((x, lengths_x), (y, lengths_y))
    )
    dtype, x, y = x.dtype, storable(x), storable(y)  # gradients of three terms are rounded once
    with full_precision(x):
        values = soft_dtw_of_embeddings(x, y, arguments, backend) - 0.5 * (
            soft_dtw_of_embeddings(x, x, of_x, backend)
            + soft_dtw_of_embeddings(y, y, of_y, backend)
        )
    return values.to(dtype)


class SoftDTWDivergenceLoss(SoftDTWModule):
    """Soft-DTW divergence between embeddings of two videos.

    Parameters
    ----------
    gamma, steps, band, band_shape, backend
        As for `soft_dtw_divergence`.
    reduction : {"mean", "sum", "none"}
        Over the batch.

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
        """Return the divergence of embeddings `x` `(B, n, d)` and `y` `(B, m, d)`.

        Raises
        ------
        ValueError
            If shapes, dtypes, devices or lengths do not fit.
        """
        values = soft_dtw_divergence(
            x,
            y,
            gamma=self.gamma,
            lengths_x=lengths_x,
            lengths_y=lengths_y,
            steps=self.steps,
            band=self.band,
            band_shape=self.band_shape,
            backend=self.backend,
        )
        return reduce(values, self.reduction)
