"""Temporal cycle-consistency for training (Dwibedi et al. 2019), by regression of positions."""

import torch
from torch import Tensor

from tacref.checks import check_positive
from tacref.losses.arguments import (
    check_pair,
    check_reduction,
    full_precision,
    reduce,
)
from tacref.losses.backends.eager import exact_rows
from tacref.losses.costs import cost_matrix
from tacref.losses.lengths import (
    Lengths,
    check_times,
    valid_rows,
)
from tacref.losses.module import LossModule

FORMS = ("regression_mse_var", "regression_mse")

# Of the authors' code: the weight of log variance.
VARIANCE_WEIGHT = 0.001
# Our choice, not the authors': added to the variance, which is 0 where one frame has all weight.
VARIANCE_FLOOR = 1e-6


def tcc_loss(
    x: Tensor,
    y: Tensor,
    *,
    temperature: float = 1.0,
    form: str = "regression_mse_var",
    lengths_x: Lengths | None = None,
    lengths_y: Lengths | None = None,
    times_x: Tensor | None = None,
    times_y: Tensor | None = None,
    video_lengths_x: Lengths | None = None,
    video_lengths_y: Lengths | None = None,
) -> Tensor:
    """Cycle-consistency loss of a batch of pairs of videos.

    From each frame of one video to its soft nearest neighbor in the other and back: the position
    that comes out should be the one that went in. The mean over the frames of `x`, by way of `y`,
    and that over the frames of `y`, by way of `x`, count half each.
    `tacref.reference.tcc_loss` has the equations. Tensor operations in float64 whatever the dtype
    of the embeddings (in float32 on a device without float64), differentiable any number of times.

    Parameters
    ----------
    x : Tensor, shape (B, n, d)
        Frame embeddings of one video of each pair.
    y : Tensor, shape (B, m, d)
        Frame embeddings of the other.
    temperature : float
        Of the soft nearest neighbors, > 0, in squared distance.
    form : {"regression_mse_var", "regression_mse"}
        Whether the squared error is divided by the variance of the position, or stands alone.
    lengths_x, lengths_y : Tensor of int or sequence of int, shape (B,), optional
        Valid rows of each item, from 1 to n and m; by default all. What lies beyond has no
        influence, even if it is NaN, and a gradient of exactly 0.
    times_x, times_y : Tensor of int, shapes (B, n) and (B, m), optional
        Number of each row's frame in its source video; by default 0 … n-1.
    video_lengths_x, video_lengths_y : Tensor of int or sequence of int, shape (B,), optional
        Frames of the source videos; given with the times. A position is time / video length.

    Returns
    -------
    Tensor, shape (B,)
        The loss of each pair, in the dtype of `x`.

    Raises
    ------
    TypeError
        If `x` or `y` is not a tensor.
    ValueError
        If an argument is not as described.

    References
    ----------
    Dwibedi et al., "Temporal Cycle-Consistency Learning", CVPR 2019, section 3.2.
    """
    valid_x, valid_y = check_pair(x, y, lengths_x, lengths_y)
    temperature, form = check_positive(temperature, "temperature"), check_form(form)
    frame_numbers_x, video_frames_x = check_times(times_x, video_lengths_x, valid_x, x, "_x")
    frame_numbers_y, video_frames_y = check_times(times_y, video_lengths_y, valid_y, y, "_y")
    with full_precision(x):
        rows_x, rows_y = exact_rows(x, valid_x), exact_rows(y, valid_y)
        positions_x = frame_numbers_x.to(rows_x.dtype) / video_frames_x[:, None]
        positions_y = frame_numbers_y.to(rows_y.dtype) / video_frames_y[:, None]
        mask_x, mask_y = valid_rows(valid_x, x.shape[1]), valid_rows(valid_y, y.shape[1])
        values = 0.5 * (
            _one_way(rows_x, rows_y, positions_x, mask_x, mask_y, temperature, form)
            + _one_way(rows_y, rows_x, positions_y, mask_y, mask_x, temperature, form)
        )
    return values.to(x.dtype)


def check_form(form: str) -> str:
    """Return `form`, if it is known.

    Raises
    ------
    ValueError
        If it is not.
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    return form


def _one_way(
    x: Tensor,
    y: Tensor,
    positions: Tensor,
    mask_x: Tensor,
    mask_y: Tensor,
    temperature: float,
    form: str,
) -> Tensor:
    """Loss `(B,)` of the cycles from x `(B, n, d)` by way of y `(B, m, d)` back to x."""
    alpha = _weights(x, y, mask_y, temperature)  # (B, n, m)
    beta = _weights(alpha @ y, x, mask_x, temperature)  # (B, n, n)
    mean = (beta * positions[:, None]).sum(2)  # (B, n)
    error = (positions - mean).square()
    if form == "regression_mse_var":
        gaps = (positions[:, None] - mean[:, :, None]).square()
        variance = (beta * gaps).sum(2) + VARIANCE_FLOOR
        error = error / variance + VARIANCE_WEIGHT * variance.log()
    return torch.where(mask_x, error, 0.0).sum(1) / mask_x.sum(1)


def _weights(x: Tensor, y: Tensor, valid: Tensor, temperature: float) -> Tensor:
    """Softmax over the valid rows of y of -squared distance / temperature, `(B, n, m)`."""
    D = torch.where(valid[:, None], cost_matrix(x, y), torch.inf)
    # The least first: all costs over a small temperature may overflow.
    least = D.detach().amin(2, keepdim=True)
    logits = torch.where(valid[:, None], (least - D) / temperature, -torch.inf)
    return logits.softmax(2)


class TCCLoss(LossModule):
    """Cycle-consistency loss of embeddings of pairs of videos.

    Parameters
    ----------
    temperature, form
        As for `tcc_loss`.
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
        temperature: float = 1.0,
        form: str = "regression_mse_var",
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.temperature = check_positive(temperature, "temperature")
        self.form = check_form(form)
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
        video_lengths_x: Lengths | None = None,
        video_lengths_y: Lengths | None = None,
    ) -> Tensor:
        """Return the loss of embeddings `x` `(B, n, d)` and `y` `(B, m, d)`.

        Raises
        ------
        ValueError
            If an argument does not fit.
        """
        values = tcc_loss(
            x,
            y,
            temperature=self.temperature,
            form=self.form,
            lengths_x=lengths_x,
            lengths_y=lengths_y,
            times_x=times_x,
            times_y=times_y,
            video_lengths_x=video_lengths_x,
            video_lengths_y=video_lengths_y,
        )
        return reduce(values, self.reduction)
