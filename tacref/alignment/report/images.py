"""Pictures inside an HTML file: thumbnails of a video and the cost matrix, as data URIs."""

import base64
import io
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image

MAX_PICTURES = 400  # a video
MAX_PICTURE_BYTES = 2_000_000  # a video, all its pictures
SIDE = 320  # pixels, the longer side of a thumbnail
MATRIX_SIDE = 640  # pixels, the longer side of a matrix picture

# Dark to bright in even steps of lightness; readable in gray and by color-blind people.
_RAMP = np.array(
    (
        (13, 22, 48),
        (40, 59, 110),
        (81, 102, 131),
        (132, 143, 131),
        (190, 182, 117),
        (245, 228, 168),
    ),
    dtype=np.float64,
)


class Thumbnails(NamedTuple):
    """Pictures of a video, small enough to be sent along.

    Attributes
    ----------
    uris : list of str
        JPEG data URIs; empty for feature rows.
    shown : list of int
        For each frame of the video, which picture stands for it: the nearest one.
    size : (int, int)
        Width and height in pixels.
    """

    uris: list[str]
    shown: list[int]
    size: tuple[int, int]


def thumbnails(frames: Iterable[np.ndarray], count: int, name: str) -> Thumbnails:
    """Make thumbnails of frames evenly spread over a video.

    Parameters
    ----------
    frames : iterable of ndarray
        All frames, read once: uint8 `(H, W, 3)` RGB, or feature rows.
    count : int
        How many frames there are.
    name : str
        The argument that holds `frames`, for messages.

    Returns
    -------
    Thumbnails
        At most `MAX_PICTURES` pictures and `MAX_PICTURE_BYTES` bytes of JPEG.

    Raises
    ------
    ValueError
        If there are not `count` frames.
    """
    chosen = set(np.linspace(0, count - 1, min(count, MAX_PICTURES)).round().astype(int).tolist())
    pictures: list[tuple[int, bytes]] = []
    size, seen = (0, 0), 0
    for index, frame in enumerate(frames):
        seen += 1
        if index in chosen and frame.ndim == 3:
            image = Image.fromarray(frame)
            image.thumbnail((SIDE, SIDE))
            size = image.size
            pictures.append((index, _encode(image, "JPEG", quality=75)))
    if seen != count:
        raise ValueError(f"{name} must have {count} frames, as the alignment has, got {seen}")
    while sum(len(jpeg) for _, jpeg in pictures) > MAX_PICTURE_BYTES and len(pictures) > 1:
        pictures = pictures[::2]
    if not pictures:
        return Thumbnails([], [], size)
    places = [index for index, _ in pictures]
    nearest = np.rint(np.interp(np.arange(count), places, np.arange(len(places))))
    uris = [_data_uri(jpeg, "jpeg") for _, jpeg in pictures]
    return Thumbnails(uris, nearest.astype(int).tolist(), size)


def matrix_picture(D: np.ndarray) -> str:
    """Return a matrix, `(n, m)`, as a PNG data URI, low dark and high bright.

    A large matrix is averaged down to `MATRIX_SIDE` pixels. A narrow one is stretched, until no
    side is less than half of the other: a picture a few pixels wide could not be read.
    """
    low, high = float(D.min()), float(D.max())
    # float32: Pillow resizes no wider numbers, and a picture shows no finer ones.
    share = np.zeros_like(D) if high == low else (D - low) / (high - low)
    image = Image.fromarray(share.astype(np.float32))
    n, m = D.shape
    longest = min(max(n, m), MATRIX_SIDE)
    width, height = (round(longest * max(side / max(n, m), 0.5)) or 1 for side in (m, n))
    for target in ((width, image.height), (width, height)):  # each side shrinks or grows alone
        grows = target[0] > image.width or target[1] > image.height
        filter_ = Image.Resampling.NEAREST if grows else Image.Resampling.BOX
        image = image.resize(target, filter_)
    return _ramp_picture(np.asarray(image))


def legend_picture() -> str:
    """Return the colors of `matrix_picture` from low to high, as a PNG data URI."""
    return _ramp_picture(np.linspace(0, 1, 256)[None])


def _ramp_picture(share: np.ndarray) -> str:
    levels = np.linspace(0, 1, 256)
    stops = np.linspace(0, 1, len(_RAMP))
    palette = np.stack([np.interp(levels, stops, channel) for channel in _RAMP.T], axis=-1)
    image = Image.fromarray((np.clip(share, 0, 1) * 255).round().astype(np.uint8))
    image.putpalette(palette.round().astype(np.uint8).tobytes())
    return _data_uri(_encode(image, "PNG", optimize=True), "png")


def _encode(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
