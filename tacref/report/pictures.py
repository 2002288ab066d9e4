"""Pictures inside an HTML file: frames and matrices, as data URIs."""

import base64
import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image

from tacref.colors import ramp

MATRIX_SIDE = 640  # pixels: the longer side of a matrix picture, at most
PEEK_SIDE = 120  # pixels: the longer side of a small picture, at most


def shown_size(
    picture: np.ndarray, pixel_aspect: Fraction, max_side: int, *, grow: bool = False
) -> tuple[int, int]:
    """Return the width and height of a picture with square pixels that looks as intended.

    Parameters
    ----------
    picture : ndarray, shape (H, W, 3)
        The picture.
    pixel_aspect : Fraction
        Width of one of its pixels over its height, > 0.
    max_side : int
        Longer side in pixels, at most.
    grow : bool
        Whether to enlarge a smaller picture to that size.
    """
    height, width = picture.shape[0], picture.shape[1] * pixel_aspect
    scale = max_side / max(height, width)
    if scale > 1 and not grow:
        scale = 1.0
    return max(1, round(float(width) * scale)), max(1, round(height * scale))


def scaled(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a picture, uint8 `(H, W, 3)`, resized to a width and height."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    image = Image.fromarray(picture)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))


def photo_uri(pixels: np.ndarray) -> str:
    """Return a picture, uint8 `(H, W, 3)` RGB, as a JPEG data URI."""
    return _data_uri(_encode(Image.fromarray(pixels), "JPEG", quality=80), "jpeg")


def matrix_picture(D: np.ndarray) -> str:
    """Return a matrix, `(n, m)`, as a PNG data URI, low values dark and high ones bright.

    A large matrix is averaged down to `MATRIX_SIDE` pixels. A narrow one is stretched until each
    side is at least half of the other: a picture a few pixels wide could not be read.
    """
    low, high = float(D.min()), float(D.max())
    # Pillow resizes nothing wider than float32, which is enough for a picture.
    share = np.zeros_like(D) if high == low else (D - low) / (high - low)
    image = Image.fromarray(share.astype(np.float32))
    n, m = D.shape
    longest = min(max(n, m), MATRIX_SIDE)
    width, height = (round(longest * max(side / max(n, m), 0.5)) or 1 for side in (m, n))
    for target in ((width, image.height), (width, height)):  # each side is resized on its own
        grows = target[0] > image.width or target[1] > image.height
        filter_ = Image.Resampling.NEAREST if grows else Image.Resampling.BOX
        image = image.resize(target, filter_)
    return _ramp_picture(np.asarray(image))


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]], gap: int = 4, min_width: int = 0
) -> np.ndarray:
    """Lay pictures out in rows, each scaled to the height of a cell.

    Parameters
    ----------
    rows : sequence of sequence of ndarray of uint8, shape (H, W, 3)
        Pictures; those of one row have the same size.
    gap : int
        Pixels between them.
    min_width : int
        Width of a cell in pixels, at least.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        Dark gray between the pictures.
    """
    width = max(min_width, *(picture.shape[1] for row in rows for picture in row)) + gap
    height = max(picture.shape[0] for row in rows for picture in row) + gap
    sheet = np.full(
        (height * len(rows) + gap, width * max(map(len, rows)) + gap, 3), 40, dtype=np.uint8
    )
    for down, row in enumerate(rows):
        for right, picture in enumerate(row):
            h, w = picture.shape[:2]
            top, left = down * height + gap, right * width + gap
            sheet[top : top + h, left : left + w] = picture
    return sheet


def peek_strip(pictures: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return pictures side by side in one: their number, their width over height, the data URI."""
    small = [Image.fromarray(picture) for picture in pictures]
    for image in small:
        image.thumbnail((PEEK_SIDE, PEEK_SIDE))
    strip = np.concatenate([np.asarray(image) for image in small], axis=1)
    return {
        "count": len(small),
        "aspect": small[0].width / small[0].height,
        "picture": photo_uri(strip),
    }


def legend_picture() -> str:
    """Return the colors of `matrix_picture` from low to high, as a PNG data URI."""
    return _ramp_picture(np.linspace(0, 1, 256)[None])


def _ramp_picture(share: np.ndarray) -> str:
    image = Image.fromarray((np.clip(share, 0, 1) * 255).round().astype(np.uint8))
    image.putpalette(ramp(256).round().astype(np.uint8).tobytes())
    return _data_uri(_encode(image, "PNG", optimize=True), "png")


def _encode(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
