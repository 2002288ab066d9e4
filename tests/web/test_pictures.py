"""Pictures of a canvas, resized: the bytes that training sees."""

from pathlib import Path

import numpy as np
import pytest

import tacref.web
from tacref.kernels.resize import resize
from tests.javascript import run

RESIZE = f"""
import {{ resize }} from {(Path(tacref.web.__file__).parent / "pictures.js").as_uri()!r};
const output = [...resize(Uint8ClampedArray.from(input.rgba), ...input.sizes)];
"""


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(32, 32, 32), (41, 57, 32), (97, 120, 64), (20, 30, 64), (1, 1, 32), (3, 700, 33)],
)
def test_the_same_bytes(node, height, width, size):
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 4), dtype=np.uint8)
    found = run(node, RESIZE, {"rgba": pixels.ravel().tolist(), "sizes": [width, height, size]})
    expected = resize(np.ascontiguousarray(pixels[..., :3]), size)
    np.testing.assert_array_equal(np.reshape(found, (size, size, 3)), expected)
