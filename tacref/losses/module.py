"""What the losses as modules share."""

from torch import nn

from tacref.checks import check_band, check_band_shape, check_positive
from tacref.losses.arguments import check_reduction
from tacref.losses.backend import check_backend, check_takes_steps
from tacref.losses.bands import StepsLike
from tacref.steps import check_steps


class LossModule(nn.Module):
    """A loss that shows its options."""

    def extra_repr(self) -> str:
        """Return the options."""
        return ", ".join(
            f"{name}={value!r}"
            for name, value in vars(self).items()
            if name != "training" and not name.startswith("_")
        )


class SoftDTWModule(LossModule):
    """The options of a loss of soft-DTW between embeddings.

    Parameters
    ----------
    gamma, reduction, steps, band, band_shape, backend
        As for `SoftDTWLoss`.

    Raises
    ------
    ValueError
        If an argument is not as described.
    """

    def __init__(
        self,
        *,
        gamma: float = 0.1,
        reduction: str = "mean",
        steps: StepsLike = "any",
        band: float | None = None,
        band_shape: str = "diagonal",
        backend: str | None = None,
    ) -> None:
        super().__init__()
        self.gamma = check_positive(gamma, "gamma")
        self.reduction = check_reduction(reduction)
        if not check_steps(steps).are_any:
            check_takes_steps(backend)
        self.steps = steps
        self.band = check_band(band, 1, 1, check_band_shape(band_shape))
        self.band_shape = band_shape
        self.backend = check_backend(backend)
