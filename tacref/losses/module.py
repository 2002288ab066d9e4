"""What the losses as modules share."""

from torch import nn

from tacref.checks import check_band, check_positive
from tacref.losses.arguments import check_reduction
from tacref.losses.backend import check_backend


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
    gamma, reduction, band, backend
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
        band: int | None = None,
        backend: str | None = None,
    ) -> None:
        super().__init__()
        self.gamma = check_positive(gamma, "gamma")
        self.reduction = check_reduction(reduction)
        self.band = check_band(band, 0, 0)
        self.backend = check_backend(backend)
