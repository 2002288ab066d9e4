"""Pictures inside an HTML file: data URIs of thumbnails and of the cost matrix."""

import base64
import io

import numpy as np
from PIL import Image

# Dark to bright in even steps of lightness; readable in gray and by color-blind people.
_RAMP = np.array(
    (
        (13, 22, 48),
        (44, 62, 112),
        (86, 110, 140),
        (150, 158, 146),
        (216, 200, 132),
        (253, 240, 190),
    ),
    dtype=np.float64,
)


def thumbnail(frame: np.ndarray, width: int) -> str:
    """Return a picture, uint8 `(H, W, 3)`, as a JPEG data URI, reduced to at most `width`."""
    image = Image.fromarray(frame)
    if image.width > width:
        height = max(1, round(image.height * width / image.width))
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return _data_uri(image, "JPEG", quality=75)


def matrix_picture(D: np.ndarray) -> str:
    """Return a matrix, `(n, m)`, as a PNG data URI: a pixel a cell, low dark, high bright."""
    low, high = float(D.min()), float(D.max())
    share = (D - low) / (high - low) if high > low else np.zeros_like(D)
    stops = np.linspace(0, 1, len(_RAMP))
    colors = np.stack([np.interp(share, stops, _RAMP[:, channel]) for channel in range(3)], -1)
    return _data_uri(Image.fromarray(colors.round().astype(np.uint8)), "PNG")


def _data_uri(image: Image.Image, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{encoded}"
