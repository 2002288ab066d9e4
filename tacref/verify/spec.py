"""The equation that a function claims to compute, and its inputs."""

from dataclasses import dataclass
from typing import Literal

from tacref.verify.kinds import KINDS, Kind
from tacref.verify.kinds.kind import Option
from tacref.verify.path_oracle import STEPS

Loss = str  # a name of `KINDS`
Inputs = Literal["costs", "embeddings"]

MAX_FRAMES_OF_STEPS = 130
LOSSES: tuple[str, ...] = tuple(KINDS)
VARIANTS = tuple(dict.fromkeys(each for kind in KINDS.values() for each in kind.variants))
OPTION_NAMES = frozenset(
    name
    for kind in KINDS.values()
    for variant in kind.variants or ("",)
    for name in kind.options_of(variant)
)


@dataclass(frozen=True)
class Spec:
    """The equation that a function claims to compute, and its inputs.

    Parameters
    ----------
    loss : str
        The equation, a name of `KINDS`.
    inputs : {"costs", "embeddings"}
        Whether (soft-)DTW takes costs `(B, n, m)`, or embeddings `(B, n, d)` and `(B, m, d)` with
        squared Euclidean costs. The other losses take embeddings.
    variant : str
        Variant of a loss that has several; by default its first one.
    steps : {"any", "slope", "asymmetric"}
        Steps of a path.
    dtype : {"float64", "float32"}
        Of the inputs, except in rows that say otherwise.
    device : str
        Where tensors are, as torch names it.

    Raises
    ------
    ValueError
        If a name is unknown, or not of this loss.
    """

    loss: str
    inputs: Inputs = "costs"
    variant: str = ""
    steps: str = "any"
    dtype: str = "float64"
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Check the names."""
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {self.loss!r}")
        if self.inputs not in ("costs", "embeddings"):
            raise ValueError(f"inputs must be costs or embeddings, got {self.inputs!r}")
        if not self.kind.takes_costs:
            object.__setattr__(self, "inputs", "embeddings")
        variants = self.kind.variants
        if not self.variant and variants:
            object.__setattr__(self, "variant", variants[0])
        if self.variant and self.variant not in (variants or VARIANTS):
            names = ", ".join(variants or VARIANTS)
            raise ValueError(f"variant must be one of {names}, got {self.variant!r}")
        if self.steps not in STEPS:
            raise ValueError(f"steps must be one of {', '.join(STEPS)}, got {self.steps!r}")
        if self.steps != "any" and not self.kind.takes_steps:
            raise ValueError(f"steps must be any for {self.loss}, got {self.steps!r}")
        if self.dtype not in ("float64", "float32"):
            raise ValueError(f"dtype must be float64 or float32, got {self.dtype!r}")

    @property
    def kind(self) -> Kind:
        """What is known about the loss."""
        return KINDS[self.loss]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arguments."""
        return ("D",) if self.inputs == "costs" else self.kind.names

    @property
    def gradients(self) -> tuple[str, ...]:
        """Names of the arguments with a gradient."""
        return self.names if self.kind.has_gradients else ()

    @property
    def numbers(self) -> dict[str, Option]:
        """The options that the function must take, with the values to try."""
        return self.kind.options_of(self.variant)

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that the function must take."""
        return tuple(self.numbers)

    @property
    def long_frames(self) -> int:
        """Longest side of long sequences; other steps are slow to compute in single cells."""
        return self.kind.long_frames if self.steps == "any" else MAX_FRAMES_OF_STEPS

    @property
    def length_names(self) -> tuple[str, ...]:
        """Names of the parameters for the lengths of a batch's items."""
        return ("lengths",) if self.kind.single else ("lengths_x", "lengths_y")
