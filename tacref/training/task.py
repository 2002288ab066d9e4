"""The keys of a recipe: those of `Settings`, the data and the encoder."""

from dataclasses import dataclass

from tacref.encoder.config import DIM
from tacref.encoder.registry import ENCODERS
from tacref.training.option import keys_of, one_of, whole
from tacref.training.settings import ENCODER, GENERAL, SETTINGS

DEFAULT_OF_ENCODER = "by encoder"


@dataclass(frozen=True)
class Task:
    """The data and the encoder: the keys of a recipe in addition to those of `Settings`."""

    data: str | None = GENERAL.option(
        "train on the clips in DIR/{train,val}/[ACTIVITY/]",
        default=None,
        metavar="DIR",
        default_words="the built-in activity, rendered to mp4 files in the run's folder",
        may_change=True,
    )
    encoder: str | None = GENERAL.option(
        f"train this encoder: {', '.join(ENCODERS)}",
        one_of(ENCODERS),
        default=None,
        default_words="by what the clips are",
    )
    offsets: tuple[int, ...] | None = ENCODER.option(
        "embed each frame with the frames this far from it, such as --offsets=-15,0",
        default=None,
        metavar="N,N,...",
        default_words=DEFAULT_OF_ENCODER,
    )
    size: int | None = ENCODER.option(
        "resize pictures to PIXELS x PIXELS",
        whole(1),
        default=None,
        metavar="PIXELS",
        default_words=DEFAULT_OF_ENCODER,
    )
    dim: int | None = ENCODER.option(
        "give embeddings this many dimensions", whole(1), default=None, default_words=str(DIM)
    )
    weights: str | None = ENCODER.option(
        "start the backbone of resnet50 from torchvision's ResNet-50 weights in FILE",
        default=None,
        metavar="FILE",
        default_words="drawn from the seed",
    )


TASK = keys_of(Task)
KEYS = TASK | SETTINGS
MAY_CHANGE = frozenset(name for name, key in KEYS.items() if key.option.may_change)
