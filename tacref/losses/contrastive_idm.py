"""Contrastive-IDM for training (equation 7), in every named variant."""

from torch import Tensor

from tacref.checks import MAX_WEIGHT, check_not_negative, check_positive, check_variant
from tacref.losses import _operators, _torch
from tacref.losses._checks import (
    check_backend,
    check_batch,
    check_reduction,
    choose_backend,
    full_precision,
    needs_grad,
    reduce,
    storable,
)
from tacref.losses._lengths import (
    Lengths,
    check_lengths,
    check_times,
)
from tacref.losses._module import LossModule


def contrastive_idm(
    x: Tensor,
    *,
    sigma: float = 10,
    margin: float = 2.0,
    variant: str = "paper",
    times: Tensor | None = None,
    video_lengths: Lengths | None = None,
    lengths: Lengths | None = None,
    backend: str | None = None,
) -> Tensor:
    """Contrastive-IDM of a batch of embeddings (equation 7).

    Near frames of a video are drawn together, and frames more than sigma apart in time are
    pushed apart, up to a margin. Computed in float64 whatever the dtype of `x` (in float32 on a
    device without float64). At the kinks the derivative is 0: where a distance equals the margin,
    and, for "laser", where it is 0.

    Parameters
    ----------
    x : Tensor, shape (B, n, d)
        Frame embeddings.
    sigma : float
        Window, >= 0, in rows; for "official" in frames of the source video (`times`).
    margin : float
        Hinge margin lambda, > 0 and at most 1e100, in squared distance; for "laser" in distance.
    variant : {"paper", "official", "printed", "laser"}
        Which published form; `tacref.reference.contrastive_idm` describes them.
    times : Tensor of int, shape (B, n), optional
        Number of each row's frame in its source video, read by "official" alone; by default
        0 … n-1.
    video_lengths : Tensor of int or sequence of int, shape (B,), optional
        Frames of the source videos; given with `times`.
    lengths : Tensor of int or sequence of int, shape (B,), optional
        Valid rows of each item, from 1 to n; by default all. What lies beyond has no influence,
        even if it is NaN, and a gradient of exactly 0.
    backend : {"cpu", "triton", "torch"}, optional
        What computes it, as for `soft_dtw`.

    Returns
    -------
    Tensor, shape (B,)
        The loss of each item, >= 0, in the dtype of `x`.

    Raises
    ------
    TypeError
        If `x` is not a tensor.
    ValueError
        If an argument is not as described.

    References
    ----------
    Haresh et al., "Learning by Aligning Videos in Time", CVPR 2021, equation 7.
    """
    check_batch(x, "x", "(B, n, d)")
    sigma = check_not_negative(sigma, "sigma")
    margin = check_positive(margin, "margin", most=MAX_WEIGHT)
    check_variant(variant)
    counts = check_lengths(lengths, x, "lengths")
    frames, ends = check_times(times, video_lengths, counts, x)
    with full_precision(x):
        values = idm_of_embeddings(
            storable(x), counts, frames, ends, sigma, margin, variant, backend
        )
    return values.to(x.dtype)


def idm_of_embeddings(
    x: Tensor,
    rows: Tensor,
    times: Tensor,
    video_lengths: Tensor,
    sigma: float,
    margin: float,
    variant: str,
    backend: str | None,
) -> Tensor:
    """Contrastive-IDM `(B,)`, in float64, of embeddings that were checked and are `storable`."""
    chosen = choose_backend(backend, x)
    if chosen == "torch":
        return _torch.contrastive_idm(x, rows, times, video_lengths, sigma, margin, variant)
    return _operators.contrastive_idm(
        x, rows, times, video_lengths, sigma, margin, variant, needs_grad(x), chosen
    )[0]


class ContrastiveIDMLoss(LossModule):
    """Contrastive-IDM of embeddings.

    Parameters
    ----------
    sigma, margin, variant
        As for `contrastive_idm`.
    reduction : {"mean", "sum", "none"}
        Over the batch.
    backend : {"cpu", "triton", "torch"}, optional
        As for `soft_dtw`.

    Raises
    ------
    ValueError
        If an argument is not as described.
    """

    def __init__(
        self,
        *,
        sigma: float = 10,
        margin: float = 2.0,
        variant: str = "paper",
        reduction: str = "mean",
        backend: str | None = None,
    ) -> None:
        super().__init__()
        self.sigma = check_not_negative(sigma, "sigma")
        self.margin = check_positive(margin, "margin", most=MAX_WEIGHT)
        self.variant = check_variant(variant)
        self.reduction = check_reduction(reduction)
        self.backend = check_backend(backend)

    def forward(
        self,
        x: Tensor,
        *,
        times: Tensor | None = None,
        video_lengths: Lengths | None = None,
        lengths: Lengths | None = None,
    ) -> Tensor:
        """Return the loss of embeddings `x` `(B, n, d)`.

        Raises
        ------
        ValueError
            If an argument does not fit.
        """
        values = contrastive_idm(
            x,
            sigma=self.sigma,
            margin=self.margin,
            variant=self.variant,
            times=times,
            video_lengths=video_lengths,
            lengths=lengths,
            backend=self.backend,
        )
        return reduce(values, self.reduction)
