"""Contrastive-IDM for training (equation 7), in every named variant."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tacref.checks import check_not_negative, check_positive, check_variant
from tacref.losses._checks import (
    Lengths,
    check_batch,
    check_lengths,
    check_reduction,
    check_times,
    exact_rows,
    reduce,
    valid_rows,
)
from tacref.losses.costs import cost_matrix

MOST = torch.iinfo(torch.int64).max


def contrastive_idm(
    x: Tensor,
    *,
    sigma: float = 10,
    margin: float = 2.0,
    variant: str = "paper",
    times: Tensor | None = None,
    video_lengths: Lengths | None = None,
    lengths: Lengths | None = None,
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
        Hinge margin lambda, > 0, in squared distance; for "laser" in distance.
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
    B, n, _ = check_batch(x, "x", "(B, n, d)").shape
    sigma, margin = check_not_negative(sigma, "sigma"), check_positive(margin, "margin")
    check_variant(variant)
    counts = check_lengths(lengths, B, n, x, "lengths")
    frames, ends = check_times(times, video_lengths, valid_rows(counts, n))
    rows = exact_rows(x, counts)
    values = exact_contrastive_idm(
        rows, counts, frames, ends, sigma=sigma, margin=margin, variant=variant
    )
    return values.to(x.dtype)


def exact_contrastive_idm(
    rows: Tensor,
    counts: Tensor,
    frames: Tensor,
    ends: Tensor,
    *,
    sigma: float,
    margin: float,
    variant: str,
) -> Tensor:
    """Compute what `contrastive_idm` returns, of arguments that were checked.

    Parameters
    ----------
    rows : Tensor of float64, shape (B, n, d)
        Embeddings, finite where they are not valid.
    counts : Tensor of int64, shape (B,)
        Valid rows of each item.
    frames, ends : Tensor of int64, shapes (B, n) and (B,)
        Source frame numbers, and frames of the source videos.
    sigma, margin, variant
        As for `contrastive_idm`.

    Returns
    -------
    Tensor of float64, shape (B,)
        The loss of each item.
    """
    n = rows.shape[1]
    D = cost_matrix(rows, rows)  # (B, n, n)
    if variant == "laser":
        # d sqrt(D) / dD is taken as 0 where D = 0.
        D = torch.where(D == 0, 0.0, torch.where(D == 0, 1.0, D).sqrt())
    if variant != "official":
        frames = torch.arange(n, device=rows.device).expand(frames.shape)
    steps = frames[:, :, None] - frames[:, None]
    # On whole frames: a window in floating point misjudges pairs exactly sigma apart.
    far = steps.abs() > min(math.floor(sigma), MOST)
    if variant == "official":
        far_weights = (steps.to(D.dtype) / ends[:, None, None]).square() + 1
        near_weights = torch.ones_like(far_weights)
    else:
        far_weights = steps.to(D.dtype).square() + 1
        near_weights = far_weights.reciprocal()
        if variant == "printed":
            far_weights = near_weights
    # relu and not clamp: its derivative at the kink is 0.
    terms = torch.where(far, far_weights * functional.relu(margin - D), near_weights * D)
    valid = valid_rows(counts, n)
    values = torch.where(valid[:, :, None] & valid[:, None], terms, 0.0).sum((1, 2))
    return values / counts.square() if variant == "laser" else values


class ContrastiveIDMLoss(nn.Module):
    """Contrastive-IDM of embeddings.

    Parameters
    ----------
    sigma, margin, variant
        As for `contrastive_idm`.
    reduction : {"mean", "sum", "none"}
        Over the batch.

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
    ) -> None:
        super().__init__()
        self.sigma = check_not_negative(sigma, "sigma")
        self.margin = check_positive(margin, "margin")
        self.variant = check_variant(variant)
        self.reduction = check_reduction(reduction)

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
        )
        return reduce(values, self.reduction)

    def extra_repr(self) -> str:
        """Return the parameters."""
        return (
            f"sigma={self.sigma}, margin={self.margin}, variant={self.variant!r}, "
            f"reduction={self.reduction!r}"
        )
