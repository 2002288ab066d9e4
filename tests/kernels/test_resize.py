"""A resized picture is the triangle filter's, within a level, and has its symmetries exactly."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from tacref.kernels.resize import resize, taps
from tacref.resizing import COLUMN_BITS, ROW_BITS

SHAPES = [
    (360, 640, 64),
    (640, 360, 112),
    (37, 53, 32),
    (64, 48, 112),
    (1, 1, 32),
    (1, 700, 33),
    (900, 3, 16),
    (24, 31, 1),
    (33, 31, 32),
    (8192, 20, 32),
    (20, 8192, 32),
    # 64 bytes of a row, 21 pixels and a third, are summed together.
    (40, 21, 16),
    (40, 22, 16),
    (40, 43, 33),
]


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def triangle(n, size):
    """The antialiased linear filter as a dense matrix, by its textbook definition."""
    scale = n / size
    source, target = np.arange(n) + 0.5, (np.arange(size) + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs(source - target[:, None]) / max(scale, 1.0))
    return weights / weights.sum(1, keepdims=True)


def ideal(frame, size):
    """What would be the picture if nothing were rounded."""
    height, width, _ = frame.shape
    lines = np.tensordot(triangle(height, size), frame, (1, 0))  # (size, W, 3)
    return np.tensordot(lines, triangle(width, size), (1, 1)).swapaxes(1, 2)


def test_a_picture_worked_by_hand():
    # From 4 to 2, the weights of the first pixel are 6, 6, 2 and 0 of 14, and those of the second
    # 0, 2, 6 and 6: 255 * 6 / 14 = 109.29 and 255 * 2 / 14 = 36.43.
    frame = np.zeros((4, 4, 3), np.uint8)
    frame[:, 0, 0] = 255
    frame[2, :, 1] = 255
    resized = resize(frame, 2)
    assert resized[..., 0].tolist() == [[109, 0], [109, 0]]
    # Along rows the sums are first rounded to a quarter, 36.5 and 109.25.
    assert resized[..., 1].tolist() == [[37, 37], [109, 109]]
    assert not resized[..., 2].any()


@pytest.mark.parametrize(("height", "width", "size"), SHAPES)
def test_near_the_ideal(height, width, size):
    frame = noise(height, width)
    resized = resize(frame, size)
    assert resized.shape == (size, size, 3)
    assert resized.dtype == np.uint8
    difference = resized - ideal(frame, size)
    # Half a level by the last rounding, an eighth at most by that between the axes, and what 14
    # bits of a weight leave of noise.
    assert np.abs(difference).max() < 0.7


def test_neither_brighter_nor_darker():
    frame = noise(360, 640)
    difference = resize(frame, 112) - ideal(frame, 112)
    assert abs(difference.mean()) < 0.006  # four deviations of a mean of 112 * 112 * 3 roundings
    assert np.sqrt(np.square(difference).mean()) < 0.3  # of one rounding: 0.289


def test_near_pillows():
    frame = noise(360, 640)
    pillows = Image.fromarray(frame).resize((64, 64), Image.Resampling.BILINEAR)
    difference = resize(frame, 64).astype(int) - np.asarray(pillows)
    # Which rounds to a byte after each axis, in an order that depends on its version.
    assert np.abs(difference).max() <= 2
    assert np.abs(difference).mean() < 0.2


@pytest.mark.parametrize(("height", "width", "size"), SHAPES)
def test_symmetries(height, width, size):
    frame = noise(height, width)
    resized = resize(frame, size)
    assert_array_equal(resize(frame[:, ::-1], size), resized[:, ::-1])
    assert_array_equal(resize(frame[::-1], size), resized[::-1])
    turned = resize(frame.transpose(1, 0, 2), size).transpose(1, 0, 2)
    assert np.abs(turned.astype(int) - resized).max() <= 1  # rows are first
    for level in (0, 1, 127, 255):
        assert (resize(np.full_like(frame, level), size) == level).all()


@pytest.mark.parametrize("bits", [ROW_BITS, COLUMN_BITS])
def test_weights(bits):
    for n in (1, 2, 3, 31, 32, 33, 360, 8192):
        for size in (1, 2, 32, 224):
            first, count, weights = taps(n, size, 1 << bits)
            matrix = np.zeros((size, n), np.int64)
            for t in range(size):
                assert first[t] + count[t] <= n
                matrix[t, first[t] : first[t] + count[t]] = weights[t, : count[t]]
            assert (matrix >= 0).all()
            assert (matrix.sum(1) == 1 << bits).all()
            assert_array_equal(matrix[::-1, ::-1], matrix)
            # Each is a difference of two sums that are rounded to a half.
            assert np.abs(matrix - triangle(n, size) * (1 << bits)).max() <= 1 + 1e-6
            if n == size:
                assert_array_equal(matrix, np.eye(n) * (1 << bits))


def test_any_array_and_none_is_changed():
    frame = noise(40, 50)
    kept = frame.copy()
    resized = resize(frame, 32)
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, ::2] = frame
    assert_array_equal(resize(wide[:, ::2], 32), resized)
    frame.flags.writeable = False
    assert_array_equal(resize(frame, 32), resized)
    assert_array_equal(frame, kept)
    square = noise(32, 32)
    assert resize(square, 32) is square
