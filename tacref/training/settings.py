"""How to train: every number of a run, checked before its first step."""

from dataclasses import MISSING, asdict, dataclass
from typing import TYPE_CHECKING, Any

from tacref.checks import MIN_SCALE, check_not_negative
from tacref.data.dataset import ON_BAD_VIDEO
from tacref.training.option import (
    Group,
    at_most,
    check_type,
    keys_of,
    more_than_zero,
    not_negative,
    one_of,
    positive,
    whole,
)
from tacref.variants import VARIANTS

if TYPE_CHECKING:
    from torch import nn

MAX_LR = 1000.0
# Beyond it, a loss or a step of the optimizer would leave the range of float32.
MAX_FLOAT = 1e12
OPTIMIZERS = ("adam", "adamw")
PRECISIONS = ("full", "bf16", "fp16")
SCHEDULES = ("cosine", "constant")

# Headings in the help of `tacref train`, in order.
GROUPS = (
    GENERAL := Group(""),
    DATA := Group("data"),
    OPTIMIZER := Group("optimizer"),
    LOSS := Group("loss"),
    ENCODER := Group("encoder"),
    BACKBONE := Group("frozen backbone"),
    SPEED := Group("speed"),
    CHECKPOINTS := Group("checkpoints"),
)
DEFAULT_OF_VARIANT = "the recipe's, else by variant"


@dataclass(frozen=True)
class Settings:
    """How to train: the keys of a recipe, except those of `Task`.

    Each field is declared once, with its purpose; docs/training.md has the table. `loss` to
    `temperature` are the arguments of `tacref.losses.make_objective`; alpha, sigma and margin
    default to the variant's.

    Raises
    ------
    ValueError
        If a value is out of range or of another type; the message names the key.
    """

    steps: int = OPTIMIZER.option("take this many optimizer steps", whole(1, 10**9))
    lr: float = OPTIMIZER.option("set the learning rate after the warm-up", more_than_zero(MAX_LR))
    pairs: int = DATA.option(
        "draw this many pairs of clips a step, of all processes and micro-batches together",
        whole(1, 10_000),
    )
    frames: int = DATA.option(
        "draw this many frames from each clip",
        whole(1, 100_000),
        default=20,
        default_words="the recipe's",
    )
    seed: int = GENERAL.option(
        "draw weights, pairs, frames, augmentation and dropout from this seed",
        whole(0, 2**63 - 1),
        default=0,
    )
    device: str = GENERAL.option(
        "compute on this torch device",
        default="cpu",
        default_words="cuda where there is one, else cpu",
        may_change=True,
    )
    augment: bool = DATA.option(
        "flip pictures and change their brightness and contrast; in two views of a clip also its "
        "colors, angle, scale, place and speed",
        default=True,
    )
    noise: float = DATA.option(
        "add noise to features, this many of the deviations that they have over the training set",
        not_negative(),
        at_most(MAX_FLOAT),
        default=0.0,
        default_words="the recipe's",
    )
    on_bad_video: str = DATA.option(
        "end at a clip that cannot be read, or skip it",
        one_of(ON_BAD_VIDEO),
        default="fail",
        metavar="|".join(ON_BAD_VIDEO),
        may_change=True,
    )
    workers: int = DATA.option(
        "read clips ahead in N processes; 0 reads them in this one",
        whole(0, 1000),
        default=0,
        metavar="N",
        may_change=True,
    )
    loss: str = LOSS.option("train with this loss: lav, divergence, tcc or lav+tcc", default="lav")
    gamma: float = LOSS.option("smooth by this much, in squared distance", positive(), default=0.1)
    alpha: float | None = LOSS.option(
        "weight Contrastive-IDM, the regularizer of LAV, by this much",
        default=None,
        default_words=DEFAULT_OF_VARIANT,
    )
    sigma: float | None = LOSS.option(
        "set the regularizer's window: in frames of the source video for 'official', else in "
        "sampled frames",
        at_most(MAX_FLOAT),
        default=None,
        default_words=DEFAULT_OF_VARIANT,
    )
    margin: float | None = LOSS.option(
        "push frames apart up to this squared distance; for 'laser', this distance",
        default=None,
        default_words=DEFAULT_OF_VARIANT,
    )
    variant: str = LOSS.option(
        f"take this variant of Contrastive-IDM: {', '.join(VARIANTS)}", default="official"
    )
    tcc_weight: float = LOSS.option("weight cycle-consistency by this much in lav+tcc", default=1.0)
    view_weight: float = LOSS.option(
        "weight the contrast between two views of each clip by this much; 0 takes one view",
        not_negative(),
        default=0.0,
        default_words="the recipe's",
    )
    view_sigma: float = LOSS.option(
        "set the window of that contrast, in frames of the clip",
        positive(MIN_SCALE),
        at_most(MAX_FLOAT),
        default=1.5,
    )
    temperature: float = LOSS.option(
        "divide the similarities of cycle-consistency by this temperature",
        at_most(MAX_FLOAT),
        default=1.0,
    )
    optimizer: str = OPTIMIZER.option(
        "put weight decay into the gradient (adam, as the paper) or next to it (adamw)",
        one_of(OPTIMIZERS),
        default="adam",
    )
    weight_decay: float = OPTIMIZER.option(
        "decay weights by this much, but not biases and normalization weights",
        not_negative(),
        at_most(MAX_FLOAT),
        default=1e-5,
    )
    schedule: str = OPTIMIZER.option(
        "after the warm-up, let the learning rate fall to 0 (cosine) or keep it (constant)",
        one_of(SCHEDULES),
        default="cosine",
    )
    warmup: int = OPTIMIZER.option(
        "raise the learning rate linearly over STEPS steps", whole(0), default=0, metavar="STEPS"
    )
    backbone_lr: float | None = OPTIMIZER.option(
        "give the backbone a learning rate of its own",
        more_than_zero(MAX_LR),
        default=None,
        metavar="LR",
        default_words="lr",
    )
    freeze_backbone: bool = OPTIMIZER.option(
        "train only the head; the backbone's batch statistics stay as they are", default=False
    )
    clip_norm: float = OPTIMIZER.option(
        "scale gradients down to at most this norm; 0 leaves them as they are",
        not_negative(),
        default=0.0,
    )
    accumulate: int = OPTIMIZER.option(
        "compute each step in N micro-batches, one after the other, for less memory",
        whole(1, 10_000),
        default=1,
        metavar="N",
    )
    precision: str = SPEED.option(
        "run the encoder in this precision in training; losses are computed in full",
        one_of(PRECISIONS),
        default="full",
    )
    compile: bool = SPEED.option(
        "compile the backbone with torch.compile", default=False, may_change=True
    )
    sync_batchnorm: bool = SPEED.option(
        "normalize batches over the frames of all processes", default=False
    )
    save_every: int = CHECKPOINTS.option(
        "save a checkpoint every STEPS steps",
        whole(1),
        default=100,
        metavar="STEPS",
        may_change=True,
    )
    save_minutes: float = CHECKPOINTS.option(
        "save a checkpoint at least every MINUTES minutes",
        positive(),
        default=10.0,
        metavar="MINUTES",
        may_change=True,
    )
    keep: int = CHECKPOINTS.option(
        "keep the newest N checkpoints", whole(1), default=2, metavar="N", may_change=True
    )
    evaluate_every: int = CHECKPOINTS.option(
        "measure Kendall's tau on the held-out clips every STEPS steps and keep the best encoder "
        "in RUN/best; 0 measures only before and after training",
        whole(0),
        default=0,
        metavar="STEPS",
        may_change=True,
    )

    def __post_init__(self) -> None:
        """Check all values."""
        from tacref.losses import MAX_TRAINING_WEIGHT

        for name, key in SETTINGS.items():
            if (value := getattr(self, name)) is not None or key.default is not None:
                object.__setattr__(self, name, check_type(name, value, key.kind))
        self.make_objective()
        for name, value in VARIANTS[self.variant].defaults._asdict().items():
            if getattr(self, name) is None:  # recorded in the run's config.json
                object.__setattr__(self, name, value)
        for name, key in SETTINGS.items():
            if (value := getattr(self, name)) is not None:
                key.check(value)
        check_not_negative(self.view_weight, "view_weight", most=MAX_TRAINING_WEIGHT)
        if self.warmup >= self.steps and self.warmup > 0:
            raise ValueError(f"warmup must be < steps = {self.steps}, got {self.warmup!r}")
        if self.backbone_lr is not None and self.freeze_backbone:
            raise ValueError("backbone_lr has no effect on a backbone that freeze_backbone freezes")
        self.check_shares(1)

    @property
    def views(self) -> int:
        """Return the number of views of each clip: 2 if views are compared, else 1."""
        return 2 if self.view_weight else 1

    def make_objective(self) -> "nn.Module":
        """Return the objective that these settings describe.

        Raises
        ------
        ValueError
            If loss, gamma, alpha, sigma, margin, variant, tcc_weight or temperature is wrong.
        """
        from tacref.losses import make_objective

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
            If `pairs` is not a multiple of `world * accumulate`.
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


SETTINGS = keys_of(Settings)
# Used for settings that were introduced after a run.
SETTING_DEFAULTS = {
    name: key.default for name, key in SETTINGS.items() if key.default not in (MISSING, None)
}
