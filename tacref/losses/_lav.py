"""The LAV loss for training (equation 8): soft-DTW between videos, Contrastive-IDM on each."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tacref.checks import (
    MAX_WEIGHT,
    check_band,
    check_band_shape,
    check_not_negative,
    check_positive,
    check_variant,
)
from tacref.losses._contrastive_idm import window_and_margin
from tacref.losses._soft_dtw import soft_dtw_of_embeddings
from tacref.losses.arguments import (
    check_embeddings,
    check_reduction,
    full_precision,
    reduce,
    storable,
)
from tacref.losses.backend import BACKENDS, check_backend, choose_backend
from tacref.losses.lengths import Lengths, check_lengths, check_times
from tacref.losses.module import LossModule
from tacref.losses.torch_operator import unwatched
from tacref.variants import VARIANTS


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
    alpha: float | None = None,
    sigma: float | None = None,
    margin: float | None = None,
    variant: str = "paper",
    lengths_x: Lengths | None = None,
    lengths_y: Lengths | None = None,
    times_x: Tensor | None = None,
    times_y: Tensor | None = None,
    video_lengths_x: Lengths | None = None,
    video_lengths_y: Lengths | None = None,
    band: float | None = None,
    band_shape: str = "diagonal",
    backend: str | None = None,
) -> LAVTerms:
    """LAV loss of a batch of pairs of videos (equation 8).

    Computed in float64 whatever the dtype (in float32 on a device without float64), but for what
    docs/losses.md says of float32 on the CPU.

    Parameters
    ----------
    x : Tensor, shape (B, n, d)
        Frame embeddings of one video of each pair.
    y : Tensor, shape (B, m, d)
        Frame embeddings of the other.
    gamma : float
        Smoothing of soft-DTW, > 0, in squared distance.
    alpha : float, optional
        Weight of the regularizer, from 0 to 1e100. By default what suits the variant,
        `tacref.variants.VARIANTS`.
    sigma, margin, variant
        As for `contrastive_idm`. "official" divides all terms by the number of frames (our
        choice where two videos have not as many: by their mean).
    lengths_x, lengths_y : Tensor of int or sequence of int, shape (B,), optional
        Valid rows of each item, from 1 to n and m; by default all.
    times_x, times_y : Tensor of int, shapes (B, n) and (B, m), optional
        Number of each row's frame in its source video, read by "official" alone.
    video_lengths_x, video_lengths_y : Tensor of int or sequence of int, shape (B,), optional
        Frames of the source videos; given with the times.
    band, band_shape, backend
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
    arguments = check_embeddings(x, y, gamma, lengths_x, lengths_y, "any", band, band_shape)
    valid_x, valid_y = arguments.lengths_x, arguments.lengths_y
    alpha = alpha_or_default(alpha, check_variant(variant))
    sigma, margin = window_and_margin(sigma, margin, variant)
    source_x = check_times(times_x, video_lengths_x, valid_x, x, "_x")
    source_y = check_times(times_y, video_lengths_y, valid_y, y, "_y")
    implementation = choose_backend(backend, x.device)
    dtype, x, y = x.dtype, storable(x), storable(y)  # gradients of three terms are rounded once
    with full_precision(x):
        alignment = soft_dtw_of_embeddings(x, y, arguments, backend)
        regularizer = _regularizer(
            partial(implementation.contrastive_idm, sigma=sigma, margin=margin, variant=variant),
            implementation is BACKENDS["triton"],
            (x, y),
            ((lengths_x, lengths_y), (times_x, times_y), (video_lengths_x, video_lengths_y)),
            ((valid_x, *source_x), (valid_y, *source_y)),
        )
        if VARIANTS[variant].lav_per_frame:
            per_frame = 2 / (valid_x + valid_y).to(alignment.dtype)
            alignment, regularizer = alignment * per_frame, regularizer * per_frame
        loss = alignment + alpha * regularizer  # eq. 8
    return LAVTerms(loss.to(dtype), alignment.to(dtype), regularizer.to(dtype))


def _regularizer(
    idm: Callable[..., Tensor],
    at_once: bool,
    videos: tuple[Tensor, Tensor],
    given: tuple[tuple[Any, Any], ...],
    checked: tuple[tuple[Tensor, ...], tuple[Tensor, ...]],
) -> Tensor:
    """I*(X) + I*(Y), `(B,)`.

    Parameters
    ----------
    idm : callable
        Contrastive-IDM of embeddings and what `checked` has of them.
    at_once : bool
        Whether one call computes both, where that is possible.
    videos : tuple of Tensor
        Embeddings `(B, n, d)` and `(B, m, d)`.
    given : tuple of pairs
        Lengths, times and video lengths of both, as the user passed them.
    checked : tuple of tuples
        Of each the same, checked.
    """
    x, y = videos
    at_once = at_once and not torch.compiler.is_compiling()
    if not (at_once and x.shape == y.shape and unwatched(videos)):
        return idm(x, *checked[0]) + idm(y, *checked[1])
    # The device computes both at once, with half the launches.
    both = torch.cat(videos)
    lengths, times, video_lengths = (
        None if all(each is None for each in passed) else torch.cat(tensors)
        for passed, tensors in zip(given, zip(*checked, strict=True), strict=True)
    )
    valid = check_lengths(lengths, both, "lengths")
    source = check_times(times, video_lengths, valid, both)
    values = idm(both, valid, *source)
    return values.unflatten(0, (2, -1)).sum(0)


def alpha_or_default(alpha: float | None, variant: str) -> float:
    """Return alpha, or if it is None the variant's own.

    Raises
    ------
    ValueError
        If it is not as for `lav_loss`.
    """
    if alpha is None:
        return VARIANTS[variant].defaults.alpha
    return check_not_negative(alpha, "alpha", most=MAX_WEIGHT)


class LAVLoss(LossModule):
    """LAV loss of embeddings of pairs of videos.

    Parameters
    ----------
    gamma, alpha, sigma, margin, variant, band, band_shape, backend
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
        alpha: float | None = None,
        sigma: float | None = None,
        margin: float | None = None,
        variant: str = "paper",
        reduction: str = "mean",
        band: float | None = None,
        band_shape: str = "diagonal",
        backend: str | None = None,
    ) -> None:
        super().__init__()
        self.gamma = check_positive(gamma, "gamma")
        self.alpha = alpha_or_default(alpha, check_variant(variant))
        self.sigma, self.margin = window_and_margin(sigma, margin, variant)
        self.variant = variant
        self.reduction = check_reduction(reduction)
        self.band = check_band(band, 1, 1, check_band_shape(band_shape))
        self.band_shape = band_shape
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
            band_shape=self.band_shape,
            backend=self.backend,
        )
        return LAVTerms(*(reduce(term, self.reduction) for term in terms))
