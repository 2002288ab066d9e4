"""The equation that a function claims to compute, and its inputs."""

from dataclasses import dataclass
from typing import Literal

from tacref.checks import check_variant

Loss = Literal["dtw", "soft_dtw", "contrastive_idm", "lav"]
Inputs = Literal["costs", "embeddings"]

LOSSES: tuple[Loss, ...] = ("dtw", "soft_dtw", "contrastive_idm", "lav")
DEFAULTS = {"gamma": 0.1, "alpha": 0.5, "sigma": 2.0, "margin": 2.0}
# Values to try for each option, and the values of the other options meanwhile.
OPTION_VALUES: dict[str, tuple[float, ...]] = {
    "gamma": (0.03, 0.5, 1, 20.0),
    "alpha": (0.0, 0.1, 1, 3.0),
    "sigma": (0.0, 1, 3.5, 20.0),
    "margin": (0.5, 1, 3.5, 6.0),
}
OTHER_VALUES = {"gamma": 0.7, "alpha": 1.3, "sigma": 1.0, "margin": 3.0}


@dataclass(frozen=True)
class Spec:
    """The equation that a function claims to compute, and its inputs.

    Parameters
    ----------
    loss : {"dtw", "soft_dtw", "contrastive_idm", "lav"}
        The equation: 2, 4, 7 or 8. For DTW only the value is checked.
    inputs : {"costs", "embeddings"}
        Whether (soft-)DTW takes costs `(B, n, m)`, or embeddings `(B, n, d)` and `(B, m, d)` with
        squared Euclidean costs. The other losses take embeddings.
    variant : {"paper", "official", "printed", "laser"}
        Variant of Contrastive-IDM.

    Raises
    ------
    ValueError
        If a name is unknown.
    """

    loss: Loss
    inputs: Inputs = "costs"
    variant: str = "paper"

    def __post_init__(self) -> None:
        """Check the names."""
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {self.loss!r}")
        if self.inputs not in ("costs", "embeddings"):
            raise ValueError(f"inputs must be costs or embeddings, got {self.inputs!r}")
        check_variant(self.variant)
        if self.loss in ("contrastive_idm", "lav"):
            object.__setattr__(self, "inputs", "embeddings")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arguments."""
        if self.loss == "contrastive_idm":
            return ("x",)
        return ("D",) if self.inputs == "costs" else ("x", "y")

    @property
    def gradients(self) -> tuple[str, ...]:
        """Names of the arguments with a gradient."""
        return () if self.loss == "dtw" else self.names

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that the function must take."""
        return {
            "dtw": (),
            "soft_dtw": ("gamma",),
            "contrastive_idm": ("sigma", "margin"),
            "lav": ("gamma", "alpha", "sigma", "margin"),
        }[self.loss]

    @property
    def length_names(self) -> tuple[str, ...]:
        """Names of the parameters for the lengths of a batch's items."""
        return ("lengths",) if self.loss == "contrastive_idm" else ("lengths_x", "lengths_y")
