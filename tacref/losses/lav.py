"""The LAV loss for training (equation 8): soft-DTW between videos, Contrastive-IDM on each."""

from typing import NamedTuple

from torch import Tensor

from tacref.checks import MAX_WEIGHT, check_band, check_not_negative, check_positive, check_variant
from tacref.losses._checks import (
    check_backend,
    check_gamma,
    check_pair,
    check_reduction,
    full_precision,
    reduce,
    storable,
)
from tacref.losses._lengths import (
    Lengths,
    check_bands,
    check_times,
)
from tacref.losses._module import LossModule
from tacref.losses.contrastive_idm import idm_of_embeddings
from tacref.losses.soft_dtw import soft_dtw_of_embeddings


class LAVTerms(NamedTuple):
    """The loss and its two terms, apart: `loss = alignment + alpha * regularizer`."""

    loss: Tensor
    alignment: Tensor
    regularizer: Tensor


def lav_loss(
    x: Tensor,
    y: Tensor,
    *,
    gamma: float = 0.1,
    alpha: float = 0.5,
    sigma: float = 10,
    margin: float = 2.0,
    variant: str = "paper",
    lengths_x: Lengths | None = None,
    lengths_y: Lengths | None = None,
    times_x: Tensor | None = None,
    times_y: Tensor | None = None,
    video_lengths_x: Lengths | None = None,
    video_lengths_y: Lengths | None = None,
    band: int | None = None,
    backend: str | None = None,
) -> LAVTerms:
    """LAV loss of a batch of pairs of videos (equation 8).

    Computed in float64 whatever the dtype of the embeddings (in float32 on a device without
    float64).

    Parameters
    ----------
    x : Tensor, shape (B, n, d)
        Frame embeddings of one video of each pair.
    y : Tensor, shape (B, m, d)
        Frame embeddings of the other.
    gamma : float
        Smoothing of soft-DTW, > 0, in squared distance.
    alpha : float
        Weight of the regularizer, from 0 to 1e100.
    sigma, margin, variant
        As for `contrastive_idm`. "official" divides all terms by the number of frames (our
        choice where two videos have not as many: by their mean).
    lengths_x, lengths_y : Tensor of int or sequence of int, shape (B,), optional
        Valid rows of each item, from 1 to n and m; by default all.
    times_x, times_y : Tensor of int, shapes (B, n) and (B, m), optional
        Number of each row's frame in its source video, read by "official" alone.
    video_lengths_x, video_lengths_y : Tensor of int or sequence of int, shape (B,), optional
        Frames of the source videos; given with the times.
    band, backend
        As for `soft_dtw`.

    Returns
    -------
    LAVTerms
        `loss`, `alignment` and `regularizer` (I*(X) + I*(Y)), each `(B,)` in the dtype of `x`.

    Raises
    ------
    TypeError
        If `x` or `y` is not a tensor.
    ValueError
        If an argument is not as described.

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equation 8.
    """
    counts_x, counts_y = check_pair(x, y, lengths_x, lengths_y)
    gamma = check_gamma(gamma, x.shape[1], y.shape[1])
    alpha = check_not_negative(alpha, "alpha", most=MAX_WEIGHT)
    sigma = check_not_negative(sigma, "sigma")
    margin, variant = check_positive(margin, "margin", most=MAX_WEIGHT), check_variant(variant)
    frames_x = check_times(times_x, video_lengths_x, counts_x, x, "_x")
    frames_y = check_times(times_y, video_lengths_y, counts_y, y, "_y")
    width = check_bands(band, x.shape[1], y.shape[1], lengths_x, lengths_y)
    dtype, x, y = x.dtype, storable(x), storable(y)
    with full_precision(x):
        alignment = soft_dtw_of_embeddings(x, y, gamma, counts_x, counts_y, width, backend)
        regularizer = idm_of_embeddings(
            x, counts_x, *frames_x, sigma, margin, variant, backend
        ) + idm_of_embeddings(y, counts_y, *frames_y, sigma, margin, variant, backend)
        if variant == "official":
            per_frame = 2 / (counts_x + counts_y).to(alignment.dtype)
            alignment, regularizer = alignment * per_frame, regularizer * per_frame
        loss = alignment + alpha * regularizer  # eq. 8
    return LAVTerms(loss.to(dtype), alignment.to(dtype), regularizer.to(dtype))


class LAVLoss(LossModule):
    """LAV loss of embeddings of pairs of videos.

    Parameters
    ----------
    gamma, alpha, sigma, margin, variant, band, backend
        As for `lav_loss`.
    reduction : {"mean", "sum", "none"}
        Over the batch, of each term.

    Raises
    ------
    ValueError
        If an argument is not as described.
    """

    def __init__(
        self,
        *,
        gamma: float = 0.1,
        alpha: float = 0.5,
        sigma: float = 10,
        margin: float = 2.0,
        variant: str = "paper",
        reduction: str = "mean",
        band: int | None = None,
        backend: str | None = None,
    ) -> None:
        super().__init__()
        self.gamma = check_positive(gamma, "gamma")
        self.alpha = check_not_negative(alpha, "alpha", most=MAX_WEIGHT)
        self.sigma = check_not_negative(sigma, "sigma")
        self.margin = check_positive(margin, "margin", most=MAX_WEIGHT)
        self.variant = check_variant(variant)
        self.reduction = check_reduction(reduction)
        self.band = check_band(band, 0, 0)
        self.backend = check_backend(backend)

    def forward(
        self,
        x: Tensor,
        y: Tensor,
        *,
        lengths_x: Lengths | None = None,
        lengths_y: Lengths | None = None,
        times_x: Tensor | None = None,
        times_y: Tensor | None = None,
        video_lengths_x: Lengths | None = None,
        video_lengths_y: Lengths | None = None,
    ) -> LAVTerms:
        """Return the terms for embeddings `x` `(B, n, d)` and `y` `(B, m, d)`, reduced.

        Raises
        ------
        ValueError
            If an argument does not fit.
        """
        terms = lav_loss(
            x,
            y,
            gamma=self.gamma,
            alpha=self.alpha,
            sigma=self.sigma,
            margin=self.margin,
            variant=self.variant,
            lengths_x=lengths_x,
            lengths_y=lengths_y,
            times_x=times_x,
            times_y=times_y,
            video_lengths_x=video_lengths_x,
            video_lengths_y=video_lengths_y,
            band=self.band,
            backend=self.backend,
        )
        return LAVTerms(*(reduce(term, self.reduction) for term in terms))
