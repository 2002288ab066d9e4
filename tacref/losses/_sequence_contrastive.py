"""Sequence contrastive loss between two views of one video, for training (Chen et al. 2022)."""

import math

import torch
from torch import Tensor

from tacref.checks import MIN_SCALE, check_positive
from tacref.losses.arguments import (
    check_pair,
    check_reduction,
    full_precision,
    reduce,
)
from tacref.losses.backends.eager import exact_rows
from tacref.losses.lengths import (
    Lengths,
    check_real_times,
    valid_rows,
)
from tacref.losses.module import LossModule


def sequence_contrastive_loss(
    x: Tensor,
    y: Tensor,
    *,
    sigma: float = math.sqrt(10.0),
    temperature: float = 0.1,
    lengths_x: Lengths | None = None,
    lengths_y: Lengths | None = None,
    times_x: Tensor | None = None,
    times_y: Tensor | None = None,
) -> Tensor:
    """Sequence contrastive loss of a batch of pairs of views.

    Frames of the two views should be alike as they are near in time: the Kullback-Leibler
    divergence, in nats, of a softmax of similarities from a normalized Gaussian of differences in
    time, half the mean over the frames of `x` plus half that over the frames of `y`.
    `tacref.reference.sequence_contrastive_loss` has the equations. Tensor operations in float64
    whatever the dtype of the embeddings (in float32 on a device without float64), differentiable
    any number of times.

    Parameters
    ----------
    x : Tensor, shape (B, n, d)
        Frame embeddings of one view of each video, of unit length for the paper's cosine
        similarity.
    y : Tensor, shape (B, m, d)
        Frame embeddings of the other view.
    sigma : float
        At least 1e-100, in the unit of the times: how far from a frame others are still alike.
    temperature : float
        At least 1e-100, in the unit of the similarities.
    lengths_x, lengths_y : Tensor of int or sequence of int, shape (B,), optional
        Valid rows of each item, from 1 to n and m; by default all. What lies beyond has no
        influence, even if it is NaN, and a gradient of exactly 0.
    times_x, times_y : Tensor of int or float, shapes (B, n) and (B, m), optional
        When each row is in the video that both views are of, at most 1e50 in size; by default
        its index.

    Returns
    -------
    Tensor, shape (B,)
        The loss of each pair, >= 0 but for rounding, in the dtype of `x`. Products over
        temperature beyond the range of float64 give NaN.

    Raises
    ------
    TypeError
        If `x` or `y` is not a tensor.
    ValueError
        If an argument is not as described.

    References
    ----------
    Chen et al., "Frame-wise Action Representations for Long Videos via Sequence Contrastive
    Learning", CVPR 2022, equations 1 to 3.
    """
    valid_x, valid_y = check_pair(x, y, lengths_x, lengths_y)
    sigma = check_positive(sigma, "sigma", least=MIN_SCALE)
    temperature = check_positive(temperature, "temperature", least=MIN_SCALE)
    with full_precision(x):
        rows_x, rows_y = exact_rows(x, valid_x), exact_rows(y, valid_y)
        real_times_x = check_real_times(times_x, valid_x, rows_x, "times_x")
        real_times_y = check_real_times(times_y, valid_y, rows_y, "times_y")
        gaps = real_times_x[:, :, None] - real_times_y[:, None]  # (B, n, m)
        nearness = -(gaps / sigma).square() / 2
        similarity = rows_x @ rows_y.transpose(1, 2) / temperature
        mask_x, mask_y = valid_rows(valid_x, x.shape[1]), valid_rows(valid_y, y.shape[1])
        values = 0.5 * (
            _one_way(nearness, similarity, mask_x, mask_y)
            + _one_way(nearness.transpose(1, 2), similarity.transpose(1, 2), mask_y, mask_x)
        )
    return values.to(x.dtype)


def _one_way(nearness: Tensor, similarity: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Mean over valid rows of KL(softmax of nearness || softmax of similarity), `(B,)`."""
    log_w, log_p = (_log_softmax(logits, rows, columns) for logits in (nearness, similarity))
    return (log_w.exp() * (log_w - log_p)).sum((1, 2)) / rows.sum(1)


def _log_softmax(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the logarithm of the softmax over valid columns; 0 in what is not valid."""
    inside = rows[:, :, None] & columns[:, None]
    # A row that is not valid must be finite all along: NaN would come back in the gradient.
    logits = torch.where(inside, logits, 0.0).masked_fill(~columns[:, None], -torch.inf)
    return torch.where(inside, logits.log_softmax(2), 0.0)


class SequenceContrastiveLoss(LossModule):
    """Sequence contrastive loss of embeddings of two views of videos.

    Parameters
    ----------
    sigma, temperature
        As for `sequence_contrastive_loss`.
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
        sigma: float = math.sqrt(10.0),
        temperature: float = 0.1,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.sigma = check_positive(sigma, "sigma", least=MIN_SCALE)
        self.temperature = check_positive(temperature, "temperature", least=MIN_SCALE)
        self.reduction = check_reduction(reduction)

    def forward(
        self,
        x: Tensor,
        y: Tensor,
        *,
        lengths_x: Lengths | None = None,
        lengths_y: Lengths | None = None,
        times_x: Tensor | None = None,
        times_y: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of embeddings `x` `(B, n, d)` and `y` `(B, m, d)`.

        Raises
        ------
        ValueError
            If an argument does not fit.
        """
        values = sequence_contrastive_loss(
            x,
            y,
            sigma=self.sigma,
            temperature=self.temperature,
            lengths_x=lengths_x,
            lengths_y=lengths_y,
            times_x=times_x,
            times_y=times_y,
        )
        return reduce(values, self.reduction)
