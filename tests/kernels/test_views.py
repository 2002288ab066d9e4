"""Changed pictures are Pillow's and NumPy's, byte for byte."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from tacref.data.augment import augment_pictures, augment_view, change_view
from tacref.kernels.views import change_pictures

AS_THEY_ARE = np.arange(256, dtype=np.uint8)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def change(
    frames, levels=AS_THEY_ARE, mirrored=False, order=(0, 1, 2), inverted=False, to=IDENTITY
):
    return change_pictures(frames, levels, mirrored, np.array(order), np.array(to), inverted)


def by_pillow(frames, levels, mirrored, order, inverted, to):
    """The same, step by step."""
    frames = levels[frames]
    if mirrored:
        frames = frames[:, :, ::-1]
    changed = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(frame[..., list(order)])).transform(
                frame.shape[1::-1], Image.Transform.AFFINE, to, Image.Resampling.BILINEAR
            )
        )
        for frame in frames
    ]
    return 255 - np.stack(changed) if inverted else np.stack(changed)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (2, 2), (24, 31), (64, 64)])
def test_every_byte_is_pillows(size):
    frames = noise(3, *size)
    rng = np.random.default_rng(1)
    for mirrored in (False, True):
        for inverted in (False, True):
            for spread in (0.0, 0.1, 2.0):
                to = np.array(IDENTITY) + spread * rng.normal(size=6) * (
                    1,
                    1,
                    size[1],
                    1,
                    1,
                    size[0],
                )
                levels = rng.integers(0, 256, 256, dtype=np.uint8)
                options = levels, mirrored, rng.permutation(3), inverted, tuple(to)
                assert_array_equal(change(frames, *options), by_pillow(frames, *options))


def test_worked_by_hand():
    picture = np.zeros((1, 2, 3, 3), np.uint8)
    picture[0, :, :, 0] = [[10, 20, 40], [110, 120, 140]]
    half = change(picture, to=(1, 0, 0.5, 0, 1, 0))
    # Between 10 and 20, 20 and 40, and beyond the middle of the last pixel that pixel alone.
    assert half[0, 0, :, 0].tolist() == [15, 30, 0]  # x = 3 lies beyond the edge
    down = change(picture, to=(1, 0, 0, 0, 1, 0.25))
    assert down[0, 0, :, 0].tolist() == [35, 45, 65]
    assert down[0, 1, :, 0].tolist() == [110, 120, 140]
    assert change(picture, mirrored=True)[0, 1, :, 0].tolist() == [140, 120, 110]
    assert change(picture, order=(1, 0, 2))[0, 0, :, 1].tolist() == [10, 20, 40]
    assert change(picture, inverted=True)[0, 0, 0].tolist() == [245, 255, 255]
    assert change(picture, levels=AS_THEY_ARE[::-1].copy())[0, 0, 0].tolist() == [245, 255, 255]
    outside = (1, 0, 3, 0, 1, 0)
    assert not change(picture, to=outside).any()
    assert (change(picture, inverted=True, to=outside) == 255).all()


def test_a_view_is_its_two_steps():
    frames = noise(4, 20, 30)
    for seed in range(12):
        at_once = augment_view(frames, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        assert_array_equal(at_once, change_view(augment_pictures(frames, rng), rng))


def test_read_only_pictures_and_strides():
    frames = noise(2, 8, 20)
    kept = frames.copy()
    changed = augment_view(frames, np.random.default_rng(0))
    wide = np.zeros((2, 8, 40, 3), np.uint8)
    wide[:, :, ::2] = frames
    assert_array_equal(augment_view(wide[:, :, ::2], np.random.default_rng(0)), changed)
    frames.flags.writeable = False
    assert_array_equal(augment_view(frames, np.random.default_rng(0)), changed)
    assert_array_equal(frames, kept)
