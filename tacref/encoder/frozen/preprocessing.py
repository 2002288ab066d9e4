"""What a backbone expects its pictures to have gone through, read from a file."""

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from tacref.text_files import read_json, read_toml

MIN_SIZE, MAX_SIZE = 32, 4096
CHANNEL_ORDERS = ("RGB", "BGR")
# Of preprocessor_config.json: one of them is in every such file.
_HUGGING_FACE_KEYS = frozenset(
    ("image_mean", "image_std", "do_normalize", "do_resize", "do_rescale", "crop_size")
)

EXAMPLE = """\
size = 224                      # side of the square that the model takes, in pixels
resize = 256                    # shorter side before the center is cropped; without it, the whole
                                # picture is squeezed into the square
scale = 0.00392156862745098     # times the bytes 0 to 255: here 1/255
mean = [0.485, 0.456, 0.406]    # subtracted after scaling
std = [0.229, 0.224, 0.225]     # divided by after that
channels = "RGB"                # or "BGR"
"""


@dataclass(frozen=True)
class Preprocessing:
    """From a decoded picture to what a backbone takes.

    Pictures are resized by the antialiased linear interpolation of `tacref.resizing`, whatever
    the interpolation that the backbone was trained with.

    Parameters
    ----------
    size : int
        Side of the square pictures in pixels.
    resize : int, optional
        Length of the shorter side from which the square at the center is taken, >= `size`. By
        default the whole picture is resized to the square; its aspect ratio is not kept.
    scale : float
        Bytes are multiplied by it, > 0.
    mean, std : tuple of 3 float
        Subtracted and divided by after scaling, in the order R, G, B.
    channels : {"RGB", "BGR"}
        Order in which the backbone takes the channels.

    Raises
    ------
    ValueError
        If a value is out of range; names it.
    """

    size: int
    resize: int | None = None
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    channels: str = "RGB"

    def __post_init__(self) -> None:
        """Check all values."""
        for name in ("size", "resize"):
            value = getattr(self, name)
            if name == "resize" and value is None:
                continue
            whole = isinstance(value, Integral) and not isinstance(value, bool)
            if not whole or not MIN_SIZE <= value <= MAX_SIZE:
                raise ValueError(
                    f"{name} must be a whole number of pixels from {MIN_SIZE} to {MAX_SIZE}, "
                    f"got {value!r}"
                )
        if self.resize is not None and self.resize < self.size:
            raise ValueError(f"resize must be >= size = {self.size}, got {self.resize!r}")
        if not _is_number(self.scale) or self.scale <= 0:
            raise ValueError(f"scale must be a number > 0, got {self.scale!r}")
        object.__setattr__(self, "scale", float(self.scale))
        for name in ("mean", "std"):
            values = getattr(self, name)
            numbers = isinstance(values, list | tuple) and all(map(_is_number, values))
            if not numbers or len(values) != 3:
                raise ValueError(f"{name} must be three numbers, one a channel, got {values!r}")
            if name == "std" and min(values) <= 0:
                raise ValueError(f"std must be > 0 in each channel, got {values!r}")
            object.__setattr__(self, name, tuple(map(float, values)))
        if self.channels not in CHANNEL_ORDERS:
            raise ValueError(f'channels must be "RGB" or "BGR", got {self.channels!r}')

    def __str__(self) -> str:
        """Return one line."""
        squared = (
            f"resized to {self.size}x{self.size}, aspect ratio not kept"
            if self.resize is None
            else f"shorter side resized to {self.resize}, center {self.size}x{self.size} cropped"
        )
        mean, std = (", ".join(f"{value:g}" for value in each) for each in (self.mean, self.std))
        return f"{squared}; times {self.scale:g}; mean {mean}; std {std}; {self.channels}"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}


def read_preprocessing(path: str | Path) -> Preprocessing:
    """Read a `preprocessor_config.json` of Hugging Face, or a TOML or JSON file of our own keys.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read, or a key is unknown, missing or has a wrong value.
    """
    path = Path(path)
    values = read_json(path) if path.suffix == ".json" else read_toml(path)
    return parse_preprocessing(values, str(path))


def preprocessing_of_metadata(text: str, source: str) -> Preprocessing:
    """Read the metadata entry `preprocess` of an ONNX file: JSON, with the keys of either file.

    Raises
    ------
    ValueError
        If it cannot be read, or a key is unknown, missing or has a wrong value.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source}: its metadata entry preprocess is not JSON ({error})") from None
    return parse_preprocessing(values, f"{source}: its metadata entry preprocess")


def parse_preprocessing(values: Any, source: str) -> Preprocessing:
    """Return the preprocessing that a file's keys describe; `source` is for messages.

    Raises
    ------
    ValueError
        If a key is unknown, missing or has a wrong value.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{source}: must hold keys and values, such as size = 224")
    try:
        if _HUGGING_FACE_KEYS.intersection(values):
            return _of_hugging_face(values)
        known = [field.name for field in fields(Preprocessing)]
        for key in values:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                raise ValueError(f"unknown key {key!r}; {hint}")
        if "size" not in values:
            raise ValueError("size is missing, the side of the square that the model takes")
        return Preprocessing(**values)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    except (TypeError, ZeroDivisionError):  # of a size that is no number
        raise ValueError(f"{source}: size, crop_size and crop_pct must be numbers") from None


def _of_hugging_face(values: Mapping[str, Any]) -> Preprocessing:
    """Read the keys of an image processor of Hugging Face transformers."""
    crops = values.get("do_center_crop", "crop_size" in values) and "crop_size" in values
    size = values.get("size") if values.get("do_resize", True) else None
    square = _square(values["crop_size"], "crop_size") if crops else None
    shorter = None
    if isinstance(size, Mapping) and "shortest_edge" in size:
        shorter = size["shortest_edge"]
        if "crop_pct" in values and not crops:  # of ConvNeXt
            square, shorter = shorter, round(shorter / values["crop_pct"])
        if square is None:
            raise ValueError(
                "size has a shortest_edge, and there is no crop_size: pictures would not be square"
            )
    elif isinstance(size, Integral) and square is not None:
        shorter = size
    elif size is not None:
        resized = _square(size, "size")
        if square is not None and square > resized:
            raise ValueError(f"crop_size must be <= size = {resized}, got {square}")
        if square is not None and square < resized:
            raise ValueError("size and crop_size: a crop of a squeezed picture cannot be read here")
        square = resized
    if square is None:
        raise ValueError("size is missing, to which pictures are resized")
    normalizes = values.get("do_normalize", True)
    rescales = values.get("do_rescale", True)
    return Preprocessing(
        size=square,
        resize=shorter,
        scale=values.get("rescale_factor", 1 / 255) if rescales else 1.0,
        mean=values.get("image_mean", (0.0, 0.0, 0.0)) if normalizes else (0.0, 0.0, 0.0),
        std=values.get("image_std", (1.0, 1.0, 1.0)) if normalizes else (1.0, 1.0, 1.0),
    )


def _square(size: Any, name: str) -> Any:
    """Return the side of a size that is one number, or height and width that are equal."""
    if not isinstance(size, Mapping):
        return size
    height, width = size.get("height"), size.get("width")
    if height is None or height != width:
        raise ValueError(f"{name} must have an equal height and width, got {dict(size)!r}")
    return height


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
