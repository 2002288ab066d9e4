"""Contrastive-IDM for training (equation 7), in every named variant."""

from torch import Tensor

from tacref.checks import MAX_WEIGHT, check_not_negative, check_positive, check_variant
from tacref.losses.arguments import check_batch, check_reduction, full_precision, reduce
from tacref.losses.backend import check_backend, choose_backend
from tacref.losses.lengths import Lengths, check_lengths, check_times
from tacref.losses.module import LossModule
from tacref.variants import VARIANTS


def contrastive_idm(
    x: Tensor,
    *,
    sigma: float | None = None,
    margin: float | None = None,
    variant: str = "paper",
    times: Tensor | None = None,
    video_lengths: Lengths | None = None,
    lengths: Lengths | None = None,
    backend: str | None = None,
) -> Tensor:
    """Contrastive-IDM of a batch of embeddings (equation 7).

    Near frames of a video are drawn together, and frames more than sigma apart in time are pushed
    apart, up to a margin. Computed in float64 whatever the dtype (in float32 on a device without
    float64), but for what docs/losses.md says of float32 on the CPU. At the kinks the derivative is
    0: where a distance equals the margin, and, for "laser", where it is 0.

    Parameters
    ----------
    x : Tensor, shape (B, n, d)
        Frame embeddings.
    sigma : float, optional
        Window, >= 0, in rows; for "official" in frames of the source video (`times`). By default
        what suits the variant, `tacref.variants.VARIANTS`.
    margin : float, optional
        Hinge margin lambda, > 0 and at most 1e100, in squared distance; for "laser" in distance.
        By default what suits the variant.
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
    sigma, margin = window_and_margin(sigma, margin, variant)
    lengths = check_lengths(lengths, x, "lengths")
    times, video_lengths = check_times(times, video_lengths, lengths, x)
    implementation = choose_backend(backend, x.device)
    with full_precision(x):
        values = implementation.contrastive_idm(
            x, lengths, times, video_lengths, sigma, margin, variant
        )
    return values.to(x.dtype)


def window_and_margin(
    sigma: float | None, margin: float | None, variant: str
) -> tuple[float, float]:
    """Return both, or where one is None the variant's own.

    Raises
    ------
    ValueError
        If one is not as for `contrastive_idm`.
    """
    defaults = VARIANTS[check_variant(variant)].defaults
    sigma = defaults.sigma if sigma is None else check_not_negative(sigma, "sigma")
    if margin is None:
        return sigma, defaults.margin
    return sigma, check_positive(margin, "margin", most=MAX_WEIGHT)


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
        sigma: float | None = None,
        margin: float | None = None,
        variant: str = "paper",
        reduction: str = "mean",
        backend: str | None = None,
    ) -> None:
        super().__init__()
        self.sigma, self.margin = window_and_margin(sigma, margin, variant)
        self.variant = variant
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
