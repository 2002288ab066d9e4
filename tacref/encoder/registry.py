"""The encoders by name: all that one differs in from another is said in its entry.

An encoder is added by adding an entry. Torch is loaded when one is built.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tacref.encoder.frozen.config import BackboneConfig
    from tacref.encoder.preprocess import Pictures, Standardize


class Shape(NamedTuple):
    """What an encoder is built for.

    Parameters
    ----------
    size : int
        Side of pictures in pixels; 0 for features.
    channels : int
        Numbers a frame, F, of features; 3 for pictures.
    context : int
        Number K of context frames.
    dim : int
        Length d of an embedding.
    backbone : BackboneConfig, optional
        The frozen backbone.
    """

    size: int
    channels: int
    context: int
    dim: int
    backbone: "BackboneConfig | None" = None


class Parts(NamedTuple):
    """What frames go through, one after the other.

    Parameters
    ----------
    preprocess : Pictures or Standardize
        Frames as they come to what the backbone takes.
    backbone : Module
        Each frame by itself to a vector or a map.
    head : Module
        Those of all frames, and the windows of context frames among them, to embeddings: see
        `tacref.encoder.heads`.
    """

    preprocess: "Pictures | Standardize"
    backbone: "nn.Module"
    head: "nn.Module"


@dataclass(frozen=True)
class EncoderKind:
    """An encoder that can be built.

    Parameters
    ----------
    build : callable
        Makes the parts for a `Shape`, with weights drawn from torch's random state.
    offsets : tuple of int
        Default context, in frames relative to each frame.
    size : int
        Default side of pictures in pixels; 0 for an encoder that takes arrays of features.
    recipe : str
        The recipe of `tacref.recipes` that it is trained by where nothing else is said.
    channels_last : bool
        True if its backbone is faster with channels last in memory.
    chunk : int
        Frames that are best computed at a time in training on a CPU, 0 for all. The backbone must
        treat each frame by itself, also in training.
    load_weights : callable, optional
        Loads a state dict that was read from a file (named for messages) into the backbone;
        raises a ValueError if it does not fit. Without it, the encoder takes no weight file.
    needs_backbone : bool
        True if it is built upon a frozen backbone, an ONNX file.
    """

    build: "Callable[[Shape], Parts]"
    offsets: tuple[int, ...]
    size: int
    recipe: str
    channels_last: bool = False
    chunk: int = 0
    load_weights: "Callable[[nn.Module, dict[str, Tensor], str], None] | None" = None
    needs_backbone: bool = False

    @property
    def takes_pictures(self) -> bool:
        """True if frames are uint8 `(T, H, W, 3)`, False if float32 `(T, F)`."""
        return self.size > 0


def _small(shape: Shape) -> Parts:
    from tacref.encoder.backbones import SmallBackbone
    from tacref.encoder.heads import LinearHead
    from tacref.encoder.preprocess import Pictures

    backbone = SmallBackbone(shape.size)
    head = LinearHead(backbone.width, shape.context, shape.dim, centered=True)
    return Parts(Pictures(shape.size), backbone, head)


def _resnet50(shape: Shape) -> Parts:
    from tacref.encoder.backbones import ResNet50Backbone
    from tacref.encoder.heads import ConvHead
    from tacref.encoder.preprocess import Pictures

    backbone = ResNet50Backbone()
    return Parts(Pictures(shape.size), backbone, ConvHead(backbone.width, shape.dim))


def _load_resnet50(backbone: "nn.Module", weights: "dict[str, Tensor]", source: str) -> None:
    from tacref.encoder.backbones import ResNet50Backbone

    assert isinstance(backbone, ResNet50Backbone)
    backbone.load_torchvision(weights, source)


def _features(shape: Shape) -> Parts:
    from tacref.encoder.backbones import Identity
    from tacref.encoder.heads import LinearHead
    from tacref.encoder.preprocess import Standardize

    head = LinearHead(shape.channels, shape.context, shape.dim)
    return Parts(Standardize(shape.channels), Identity(shape.channels), head)


def _frozen(shape: Shape) -> Parts:
    from tacref.encoder.frozen.modules import FrozenBackbone, FrozenHead, FrozenPictures

    assert shape.backbone is not None
    head = FrozenHead(shape.backbone.width, shape.context, shape.dim)
    return Parts(FrozenPictures(shape.backbone), FrozenBackbone(shape.backbone), head)


# docs/benchmarks.md has the measurements behind offsets and recipes. Of those that take the same
# clips, the first one is the default.
ENCODERS: dict[str, EncoderKind] = {
    "small": EncoderKind(
        build=_small,
        offsets=(-24, -6, -2, 0, 2, 6, 24),
        size=64,
        recipe="activity",
        chunk=64,
    ),
    "resnet50": EncoderKind(
        build=_resnet50,
        offsets=(-15, 0),
        size=224,
        recipe="paper",
        channels_last=True,
        load_weights=_load_resnet50,
    ),
    "features": EncoderKind(
        build=_features, offsets=(-40, -20, -10, 0, 10, 20, 40), size=0, recipe="features"
    ),
    "frozen": EncoderKind(
        build=_frozen,
        offsets=(-40, -20, -10, 0, 10, 20, 40),
        size=224,
        recipe="frozen",
        needs_backbone=True,
    ),
}


def default_encoder(*, takes_pictures: bool) -> str:
    """Return the name of the encoder for pictures, or of that for features."""
    return next(name for name, kind in ENCODERS.items() if kind.takes_pictures is takes_pictures)
