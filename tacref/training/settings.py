"""How to train: every number of a run, checked before its first step."""

import math
from dataclasses import MISSING, asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any

from torch import nn

from tacref.checks import MIN_SCALE, check_not_negative, check_positive
from tacref.data.dataset import ON_BAD_VIDEO
from tacref.losses import MAX_TRAINING_WEIGHT, make_objective
from tacref.variants import VARIANTS

MAX_LR = 1000.0
OPTIMIZERS = ("adam", "adamw")
PRECISIONS = ("full", "bf16", "fp16")
SCHEDULES = ("cosine", "constant")

# These may differ where a run is resumed: they say where it computes, and what it keeps.
MAY_CHANGE = frozenset(
    (
        "compile",
        "data",
        "device",
        "evaluate_every",
        "keep",
        "on_bad_video",
        "save_every",
        "save_minutes",
        "workers",
    )
)

_MOST = {
    "steps": 10**9,
    "pairs": 10_000,
    "frames": 100_000,
    "seed": 2**63 - 1,
    "accumulate": 10_000,
    "workers": 1000,
}
# Beyond it a loss or a step of the optimizer leaves the range of float32.
_MOST_FLOAT = 1e12
_BOUNDED = ("sigma", "temperature", "weight_decay", "view_sigma")


@dataclass(frozen=True)
class Settings:
    """How to train; the keys of a recipe, beside those of data and encoder.

    Parameters
    ----------
    steps : int
        Optimizer steps.
    lr : float
        Learning rate after the warm-up.
    pairs : int
        Pairs of clips a step, of all processes and micro-batches together.
    frames : int
        Frames drawn a clip.
    seed : int
        Of weights, pairs, frames, augmentation and dropout.
    device : str
        A torch device.
    augment : bool
        Flip pictures and change their brightness and contrast; with two views also the rest that
        `PairDataset` says.
    on_bad_video : {"fail", "skip"}
        What a clip does that cannot be read in the middle of training.
    workers : int
        Processes that decode; 0 decodes between the steps.
    loss, gamma, alpha, sigma, margin, variant, tcc_weight, temperature
        As for `tacref.losses.make_objective`; alpha, sigma and margin by default the variant's.
    view_weight : float
        Weight of the sequence contrastive loss between two views of each clip, the mean over
        clips; above 0, each clip is seen in two views.
    view_sigma : float
        Its window in frames of the clip: how far from a frame others are still alike.
    optimizer : {"adam", "adamw"}
        Weight decay in the gradient (Adam, as the paper) or beside it (AdamW).
    weight_decay : float
        Not on biases and normalization weights.
    schedule : {"cosine", "constant"}
        Of the learning rate after the warm-up; the cosine ends at 0.
    warmup : int
        Steps over which the learning rate rises linearly.
    backbone_lr : float, optional
        The backbone's own learning rate; by default `lr`.
    freeze_backbone : bool
        Train the head alone; the backbone's batch statistics stay as they are.
    clip_norm : float
        Largest norm of the gradient; 0 leaves it as it is.
    accumulate : int
        Micro-batches a step, for batches that do not fit the memory.
    precision : {"full", "bf16", "fp16"}
        Of the encoder in training; losses are always computed in full.
    compile : bool
        Compile the backbone with torch.compile.
    sync_batchnorm : bool
        Batch normalization over the frames of all processes.
    save_every : int
        Steps between checkpoints.
    save_minutes : float
        Minutes after which there is a checkpoint in any case.
    keep : int
        Checkpoints kept, the newest ones.
    evaluate_every : int
        Steps between measurements of tau on the held-out clips, of which the best encoder is
        kept in `RUN/best`; 0 measures before and after alone.

    Raises
    ------
    ValueError
        If a value is out of range or of another type; the message names the key.
    """

    steps: int
    lr: float
    pairs: int
    frames: int = 20
    seed: int = 0
    device: str = "cpu"
    augment: bool = True
    on_bad_video: str = "fail"
    workers: int = 0
    loss: str = "lav"
    gamma: float = 0.1
    alpha: float | None = None
    sigma: float | None = None
    margin: float | None = None
    variant: str = "official"
    tcc_weight: float = 1.0
    view_weight: float = 0.0
    view_sigma: float = 1.5
    temperature: float = 1.0
    optimizer: str = "adam"
    weight_decay: float = 1e-5
    schedule: str = "cosine"
    warmup: int = 0
    backbone_lr: float | None = None
    freeze_backbone: bool = False
    clip_norm: float = 0.0
    accumulate: int = 1
    precision: str = "full"
    compile: bool = False
    sync_batchnorm: bool = False
    save_every: int = 100
    save_minutes: float = 10.0
    keep: int = 2
    evaluate_every: int = 0

    def __post_init__(self) -> None:
        """Check all values."""
        for field in fields(self):
            object.__setattr__(
                self, field.name, check_type(field.name, getattr(self, field.name), field.type)
            )
        self.make_objective()
        for name, value in VARIANTS[self.variant].defaults._asdict().items():
            if getattr(self, name) is None:  # what the run used, for its config.json
                object.__setattr__(self, name, value)
        for name in ("steps", "pairs", "frames", "accumulate", "save_every", "keep"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)!r}")
        for name in ("seed", "workers", "warmup", "evaluate_every"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)!r}")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise ValueError(f"{name} must be <= {most}, got {getattr(self, name)!r}")
        for name in ("lr", "backbone_lr"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= MAX_LR:
                raise ValueError(f"{name} must be > 0 and <= {MAX_LR:g}, got {value!r}")
        for name in ("weight_decay", "clip_norm"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and >= 0, got {value!r}")
        check_not_negative(self.view_weight, "view_weight", most=MAX_TRAINING_WEIGHT)
        check_positive(self.view_sigma, "view_sigma", least=MIN_SCALE)
        for name in _BOUNDED:
            if getattr(self, name) > _MOST_FLOAT:
                raise ValueError(f"{name} must be <= {_MOST_FLOAT:g}, got {getattr(self, name)!r}")
        if not self.save_minutes > 0:
            raise ValueError(f"save_minutes must be > 0, got {self.save_minutes!r}")
        for name, choices in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
            ("on_bad_video", ON_BAD_VIDEO),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )
        if self.warmup >= self.steps and self.warmup > 0:
            raise ValueError(f"warmup must be < steps = {self.steps}, got {self.warmup!r}")
        if self.backbone_lr is not None and self.freeze_backbone:
            raise ValueError("backbone_lr is of no use to a backbone that freeze_backbone freezes")
        self.check_shares(1)

    @property
    def views(self) -> int:
        """Views of each clip: two where they are compared."""
        return 2 if self.view_weight else 1

    def make_objective(self) -> nn.Module:
        """Return the objective that these settings describe.

        Raises
        ------
        ValueError
            If loss, gamma, alpha, sigma, margin, variant, tcc_weight or temperature is wrong.
        """
        return make_objective(
            self.loss,
            gamma=self.gamma,
            alpha=self.alpha,
            sigma=self.sigma,
            margin=self.margin,
            variant=self.variant,
            tcc_weight=self.tcc_weight,
            temperature=self.temperature,
        )

    def check_shares(self, world: int) -> None:
        """Refuse a number of pairs that processes and micro-batches cannot share equally.

        Raises
        ------
        ValueError
            If `pairs` is no multiple of `world * accumulate`.
        """
        shares = world * self.accumulate
        if self.pairs % shares:
            processes = f"{world} processes x " if world > 1 else ""
            raise ValueError(
                f"pairs must be a multiple of {processes}accumulate = {shares}, got {self.pairs}"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self)


# What a run did with a setting that is younger than itself.
SETTING_DEFAULTS = {
    field.name: field.default
    for field in fields(Settings)
    if field.default is not MISSING and field.default is not None
}


def check_type(name: str, value: Any, kind: Any) -> Any:
    """Return a value as the type that its key has; whole numbers are numbers too.

    Raises
    ------
    ValueError
        If it is of another type.
    """
    if kind == float | None and value is None:
        return None
    if kind is bool:
        fits, wanted = isinstance(value, bool), "true or false"
    elif kind is int:
        fits, wanted = isinstance(value, Integral) and not isinstance(value, bool), "a whole number"
        value = int(value) if fits else value
    elif kind is str:
        fits, wanted = isinstance(value, str), "a string"
    else:
        fits, wanted = isinstance(value, Real) and not isinstance(value, bool), "a number"
        try:
            value = float(value) if fits else value
        except OverflowError:  # a whole number of more than 308 digits
            value = math.inf
    if not fits:
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return value
