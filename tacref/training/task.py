"""The keys of a recipe: those of `Settings`, the data and the encoder."""

from dataclasses import dataclass

from tacref.encoder.config import DIM
from tacref.encoder.frozen.config import MAX_GRID
from tacref.encoder.registry import ENCODERS
from tacref.training.option import at_most, keys_of, one_of, positive, whole
from tacref.training.settings import BACKBONE, ENCODER, GENERAL, SETTING_DEFAULTS, SETTINGS

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
    backbone: str | None = BACKBONE.option(
        "train the frozen encoder on the features of this ONNX picture model",
        default=None,
        metavar="FILE.onnx",
        default_words="none",
    )
    backbone_output: str | None = BACKBONE.option(
        "take this output of the backbone, or any value in its graph",
        default=None,
        metavar="NAME",
        default_words="its only output",
    )
    backbone_preprocess: str | None = BACKBONE.option(
        "read what pictures go through before the backbone from a preprocessor_config.json or TOML "
        "file",
        default=None,
        metavar="FILE",
        default_words="the metadata of its file",
    )
    backbone_grid: int = BACKBONE.option(
        "average tokens and maps over at most N x N cells",
        whole(1, MAX_GRID),
        default=4,
        metavar="N",
    )
    backbone_views: int = BACKBONE.option(
        "compute features of N augmented views of each training clip, in addition to itself",
        whole(0, 1000),
        default=4,
        metavar="N",
    )
    feature_cache: str | None = BACKBONE.option(
        "keep features in this folder, for this and other runs",
        default=None,
        metavar="DIR",
        default_words="tacref/features in the user's cache folder",
        may_change=True,
    )
    feature_cache_gb: float = BACKBONE.option(
        "keep at most this many gigabytes of features",
        positive(),
        at_most(1e6),
        default=20.0,
        metavar="GB",
        may_change=True,
    )


TASK = keys_of(Task)
BACKBONE_KEYS = tuple(name for name, key in TASK.items() if key.option.group == BACKBONE.name)
KEYS = TASK | SETTINGS
DEFAULTS = {name: key.default for name, key in TASK.items()} | SETTING_DEFAULTS
# Paths; in a run's config.json they are absolute.
FILES = frozenset(("weights", "backbone", "backbone_preprocess"))
MAY_CHANGE = frozenset(name for name, key in KEYS.items() if key.option.may_change)
