"""Soft-DTW divergence for training: soft-DTW without its bias (Blondel, Mensch & Vert 2021)."""

from torch import Tensor

from tacref.losses.arguments import check_gamma, check_pair, full_precision, reduce, storable
from tacref.losses.backend import choose_backend
from tacref.losses.lengths import Lengths, check_bands
from tacref.losses.module import SoftDTWModule


def soft_dtw_divergence(
    x: Tensor,
    y: Tensor,
    *,
    gamma: float = 0.1,
    lengths_x: Lengths | None = None,
    lengths_y: Lengths | None = None,
    band: int | None = None,
    backend: str | None = None,
) -> Tensor:
    """Soft-DTW between two videos less the mean of soft-DTW of each with itself, of a batch.

    `dtw_gamma(X, Y) - (dtw_gamma(X, X) + dtw_gamma(Y, Y)) / 2`, on squared Euclidean costs.
    Computed in float64 whatever the dtype of the embeddings (in float32 on a device without
    float64).

    Parameters
    ----------
    x : Tensor, shape (B, n, d)
        Frame embeddings of one video of each pair.
    y : Tensor, shape (B, m, d)
        Frame embeddings of the other.
    gamma : float
        Smoothing, > 0, in squared distance.
    lengths_x, lengths_y, band, backend
        As for `soft_dtw`; the band is that of all three terms.

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
    valid_x, valid_y = check_pair(x, y, lengths_x, lengths_y)
    n, m = x.shape[1], y.shape[1]
    gamma = check_gamma(gamma, 2 * n, 2 * m)
    band = check_bands(band, n, m, lengths_x, lengths_y)
    distance = choose_backend(backend, x.device).soft_dtw_of_embeddings
    dtype, x, y = x.dtype, storable(x), storable(y)  # gradients of three terms are rounded once
    with full_precision(x):
        values = distance(x, y, gamma, valid_x, valid_y, band) - 0.5 * (
            distance(x, x, gamma, valid_x, valid_x, band)
            + distance(y, y, gamma, valid_y, valid_y, band)
        )
    return values.to(dtype)


class SoftDTWDivergenceLoss(SoftDTWModule):
    """Soft-DTW divergence between embeddings of two videos.

    Parameters
    ----------
    gamma, band, backend
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
            band=self.band,
            backend=self.backend,
        )
        return reduce(values, self.reduction)
