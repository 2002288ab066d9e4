"""What can be trained with, by name: LAV and what it is compared with, under one interface."""

from typing import Any, NamedTuple

from torch import Tensor, nn

from tacref.checks import check_not_negative, check_positive
from tacref.losses._lav import LAVLoss
from tacref.losses._soft_dtw_divergence import SoftDTWDivergenceLoss
from tacref.losses._tcc import TCCLoss
from tacref.losses.arguments import check_pair
from tacref.losses.lengths import Lengths, check_times

LOSSES = ("lav", "divergence", "tcc", "lav+tcc")
# Of gamma, margin and weights in training, which squares gradients in float32.
MAX_TRAINING_WEIGHT = 1e9


class Terms(NamedTuple):
    """A loss, to be differentiated, and the parts it is made of, to be looked at (detached)."""

    loss: Tensor
    parts: dict[str, Tensor]


def make_objective(
    name: str = "lav",
    *,
    gamma: float = 0.1,
    alpha: float | None = None,
    sigma: float | None = None,
    margin: float | None = None,
    variant: str = "official",
    tcc_weight: float = 1.0,
    temperature: float = 1.0,
) -> nn.Module:
    """Make an objective of pairs of videos by its name.

    Parameters
    ----------
    name : {"lav", "divergence", "tcc", "lav+tcc"}
        The LAV loss; soft-DTW divergence alone; cycle-consistency alone; LAV plus weighted
        cycle-consistency.
    gamma : float
        Smoothing of soft-DTW, > 0 and at most 1e9, in squared distance.
    alpha, sigma, margin : float, optional
        Weight and window, >= 0, and hinge margin, > 0, of Contrastive-IDM; weight and margin at
        most 1e9. By default what suits the variant.
    variant : {"paper", "official", "printed", "laser"}
        Of Contrastive-IDM.
    tcc_weight : float
        Weight of cycle-consistency in "lav+tcc", from 0 to 1e9.
    temperature : float
        As for `tcc_loss`, at least 1e-9.

    Returns
    -------
    nn.Module
        Called as `objective(x, y, times_x=, times_y=, video_lengths_x=, video_lengths_y=)` with
        embeddings `x` `(B, n, d)` and `y` `(B, m, d)`, it returns `Terms`: means over the batch.
        Unused arguments are still validated.

    Raises
    ------
    ValueError
        If an argument is not as described.
    """
    if name not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {name!r}")
    gamma = check_positive(gamma, "gamma", most=MAX_TRAINING_WEIGHT)
    if alpha is not None:
        alpha = check_not_negative(alpha, "alpha", most=MAX_TRAINING_WEIGHT)
    if margin is not None:
        margin = check_positive(margin, "margin", most=MAX_TRAINING_WEIGHT)
    lav = LAVLoss(
        gamma=gamma,
        alpha=alpha,
        sigma=sigma,
        margin=margin,
        variant=variant,
    )
    divergence = SoftDTWDivergenceLoss(gamma=gamma)
    temperature = check_positive(temperature, "temperature", least=1.0 / MAX_TRAINING_WEIGHT)
    tcc = TCCLoss(temperature=temperature)
    tcc_weight = check_not_negative(tcc_weight, "tcc_weight", most=MAX_TRAINING_WEIGHT)
    if name == "divergence":
        return _Divergence(divergence)
    return _Sum(
        lav=lav if "lav" in name else None,
        tcc=tcc if "tcc" in name else None,
        tcc_weight=tcc_weight if name == "lav+tcc" else 1.0,
    )


class _Divergence(nn.Module):
    def __init__(self, divergence: SoftDTWDivergenceLoss) -> None:
        super().__init__()
        self.divergence = divergence

    def forward(
        self,
        x: Tensor,
        y: Tensor,
        *,
        times_x: Tensor | None = None,
        times_y: Tensor | None = None,
        video_lengths_x: Lengths | None = None,
        video_lengths_y: Lengths | None = None,
    ) -> Terms:
        valid_x, valid_y = check_pair(x, y)
        check_times(times_x, video_lengths_x, valid_x, x, "_x")
        check_times(times_y, video_lengths_y, valid_y, y, "_y")
        loss = self.divergence(x, y)
        return Terms(loss, {"divergence": loss.detach()})


class _Sum(nn.Module):
    """LAV, cycle-consistency, or both."""

    def __init__(self, lav: LAVLoss | None, tcc: TCCLoss | None, tcc_weight: float) -> None:
        super().__init__()
        self.lav, self.tcc, self.tcc_weight = lav, tcc, tcc_weight

    def forward(
        self,
        x: Tensor,
        y: Tensor,
        *,
        times_x: Tensor | None = None,
        times_y: Tensor | None = None,
        video_lengths_x: Lengths | None = None,
        video_lengths_y: Lengths | None = None,
    ) -> Terms:
        times: dict[str, Any] = {
            "times_x": times_x,
            "times_y": times_y,
            "video_lengths_x": video_lengths_x,
            "video_lengths_y": video_lengths_y,
        }
        losses: list[Tensor] = []
        parts: dict[str, Tensor] = {}
        if self.lav is not None:
            terms = self.lav(x, y, **times)
            losses.append(terms.loss)
            parts |= {"alignment": terms.alignment, "regularizer": terms.regularizer}
        if self.tcc is not None:
            parts["tcc"] = self.tcc(x, y, **times)
            losses.append(self.tcc_weight * parts["tcc"])
        loss = losses[0] if len(losses) == 1 else losses[0] + losses[1]
        return Terms(loss, {name: part.detach() for name, part in parts.items()})

    def extra_repr(self) -> str:
        """Return the weight."""
        return f"tcc_weight={self.tcc_weight}"
