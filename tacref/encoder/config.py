"""Configuration of an encoder: everything in config.json that is needed to build it again."""

import dataclasses
import operator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from tacref.encoder.frames import FrameError, check_features
from tacref.encoder.frozen.config import BackboneConfig
from tacref.encoder.registry import ENCODERS, EncoderKind

DIM = 128  # of embeddings, by default
MAX_OFFSET, MAX_DIM, MAX_CHANNELS = 100_000, 65_536, 1_000_000
MIN_SIZE, MAX_SIZE = 32, 4096
_PLAIN: tuple[Literal["C"], Literal["W"]] = ("C", "W")


@dataclass(frozen=True)
class EncoderConfig:
    """Architecture of an encoder.

    Parameters
    ----------
    name : str
        Of the encoder, one of `ENCODERS`: "small" is convolutional and for the CPU, "resnet50" the
        LAV paper's, "features" a network on `(T, F)` arrays, "frozen" one on the features of a
        frozen backbone.
    offsets : tuple of int
        Context frames of frame t, as t + offset in frames; beyond the ends of a video, its first
        or last frame is repeated.
    dim : int
        Length d of an embedding.
    size : int
        Side in pixels of the square pictures for the backbone; 0 for features.
    channels : int
        Numbers per frame, F, of features; 3 for pictures.
    backbone : BackboneConfig, optional
        The frozen backbone of "frozen"; `size` is that of its preprocessing.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    name: str
    offsets: tuple[int, ...]
    dim: int = DIM
    size: int = 0
    channels: int = 3
    backbone: BackboneConfig | None = None

    def __post_init__(self) -> None:
        """Check all values."""
        if not isinstance(self.name, str) or self.name not in ENCODERS:
            raise ValueError(f"encoder must be one of {', '.join(ENCODERS)}, got {self.name!r}")
        offsets = tuple(_as_whole_number(offset, "each of offsets") for offset in self.offsets)
        if not offsets or list(offsets) != sorted(set(offsets)):
            raise ValueError(f"offsets must be distinct and rising, got {self.offsets!r}")
        if max(-offsets[0], offsets[-1]) > MAX_OFFSET:
            raise ValueError(f"offsets must be within {MAX_OFFSET} frames, got {self.offsets!r}")
        object.__setattr__(self, "offsets", offsets)
        for name in ("dim", "channels", "size"):
            object.__setattr__(self, name, _as_whole_number(getattr(self, name), name))
        for name, maximum in (("dim", MAX_DIM), ("channels", MAX_CHANNELS)):
            if not 1 <= getattr(self, name) <= maximum:
                raise ValueError(f"{name} must be from 1 to {maximum}, got {getattr(self, name)!r}")
        if self.takes_pictures and not MIN_SIZE <= self.size <= MAX_SIZE:
            raise ValueError(
                f"size must be from {MIN_SIZE} to {MAX_SIZE} pixels, got {self.size!r}"
            )
        self._check_backbone()

    def _check_backbone(self) -> None:
        if (self.backbone is not None) != self.kind.needs_backbone:
            need = "needs" if self.kind.needs_backbone else "takes no"
            raise ValueError(f"encoder {self.name!r} {need} backbone (--backbone FILE.onnx)")
        if self.backbone is not None and self.size != self.backbone.preprocessing.size:
            raise ValueError(
                f"size must be that of the backbone's preprocessing, "
                f"{self.backbone.preprocessing.size}, got {self.size!r}"
            )

    @classmethod
    def default(cls, name: str, **changes: Any) -> "EncoderConfig":
        """Return the default configuration of an encoder, with `changes` made to it."""
        kind = ENCODERS.get(name)  # of an unknown name, the checks say more
        shape = {"offsets": (0,)} if kind is None else {"offsets": kind.offsets, "size": kind.size}
        if (backbone := changes.get("backbone")) is not None:
            shape["size"] = backbone.preprocessing.size
        return cls(name=name, **{**shape, **changes})

    @property
    def kind(self) -> EncoderKind:
        """The encoder's entry among `ENCODERS`."""
        return ENCODERS[self.name]

    @property
    def squeezes_pictures(self) -> bool:
        """Whether all that is done with a picture's size is to resize it to `size` x `size`."""
        return self.takes_pictures and self.backbone is None

    @property
    def takes_pictures(self) -> bool:
        """True if frames are uint8 `(T, H, W, 3)`, False if float32 `(T, F)`."""
        return self.kind.takes_pictures

    def as_frames(self, frames: ArrayLike) -> np.ndarray:
        """Check that an array is a video for this encoder.

        Parameters
        ----------
        frames : array_like, shape (T, H, W, 3) of uint8 or (T, F) of float
            One video.

        Returns
        -------
        ndarray of uint8 or float32
            `frames`, contiguous and writable, as torch requires; copied only if necessary.

        Raises
        ------
        ValueError
            If rank, channels or dtype do not fit, or there are no frames.
        FrameError
            If a feature is not finite as float32; names the frame and the feature.
        """
        array = np.asarray(frames)
        description = f"got {array.dtype} of shape {array.shape}"
        if self.takes_pictures:
            if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3 or not array.size:
                raise ValueError(
                    f"frames must be uint8 pictures of shape (T, H, W, 3), {description}"
                )
            return np.require(array, requirements=_PLAIN)
        if array.dtype.kind != "f" or array.ndim != 2 or array.shape[1] != self.channels:
            raise ValueError(f"frames must be float of shape (T, {self.channels}), {description}")
        if not array.size:
            raise ValueError(f"frames must not be empty, {description}")
        with np.errstate(over="ignore"):  # overflow gives infinity, refused below
            features = np.require(array, dtype=np.float32, requirements=_PLAIN)
        check_features(features)
        return features

    def check_frame(self, frame: np.ndarray) -> None:
        """Check that an array is one frame of a video for this encoder.

        Raises
        ------
        ValueError
            If shape or dtype do not fit.
        FrameError
            If a feature is not finite.
        """
        try:
            self.as_frames(frame[None])
        except FrameError:
            raise
        except ValueError:
            expected = "uint8 of shape (H, W, 3)"
            if not self.takes_pictures:
                expected = f"float of shape ({self.channels},)"
            raise ValueError(
                f"each frame must be {expected}, got {frame.dtype} of shape {frame.shape}"
            ) from None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        own |= {"offsets": list(self.offsets)}
        if self.backbone is None:
            del own["backbone"]
            return own
        return own | {"backbone": self.backbone.to_json()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "EncoderConfig":
        """Build a configuration from the result of `to_json`.

        Raises
        ------
        ValueError
            If a field is missing, unknown, or of the wrong type.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(fields, dict) or not known - {"backbone"} <= set(fields) <= known:
            raise ValueError(
                f"encoder configuration must have the keys {sorted(known - {'backbone'})}"
            )
        if not isinstance(fields["offsets"], list):
            raise ValueError(f"offsets must be a list, got {fields['offsets']!r}")
        changes: dict[str, Any] = {"offsets": tuple(fields["offsets"])}
        if "backbone" in fields:
            changes["backbone"] = BackboneConfig.from_json(fields["backbone"])
        return cls(**fields | changes)


def _as_whole_number(value: Any, name: str) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {value!r}") from None
