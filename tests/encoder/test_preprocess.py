"""Resizing equals Pillow's and torch's antialiased linear filter; standardizing is a plain fit."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from tacref.encoder.preprocess import Pictures, Standardize, resize_weights


@pytest.mark.parametrize(("height", "width"), [(64, 64), (31, 33), (120, 200), (360, 640), (65, 1)])
def test_resize_is_torchs_antialiased_interpolation(height, width):
    pixels = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    rows = resize_weights(torch.zeros(height), 64)
    columns = resize_weights(torch.zeros(width), 64)
    expected = functional.interpolate(
        pixels, size=(64, 64), mode="bilinear", antialias=True, align_corners=False
    )
    # Both are float32; their sums run in another order.
    torch.testing.assert_close(rows @ pixels @ columns.T, expected, atol=1e-5, rtol=0)


def test_resize_is_pillows_bilinear_up_to_its_rounding():
    picture = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    resized = np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BILINEAR))
    pictures = Pictures(64)
    ours = pictures(torch.from_numpy(picture[None])) * pictures.std + pictures.mean
    theirs = torch.from_numpy(resized.copy()).permute(2, 0, 1) / 255
    # Pillow rounds to whole gray levels after each of its two passes.
    torch.testing.assert_close(ours[0], theirs, atol=1.01 / 255, rtol=0)


def test_right_size_is_left_alone():
    picture = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    pictures = Pictures(64)
    values = (pictures(torch.from_numpy(picture)) * pictures.std + pictures.mean) * 255
    torch.testing.assert_close(
        values[0], torch.from_numpy(picture[0]).permute(2, 0, 1).float(), atol=1e-4, rtol=0
    )


def test_standardize():
    frames = np.array([[1.0, 5.0, 0.0], [3.0, 5.0, 0.0]], np.float32)
    layer = Standardize(3)
    layer.fit([frames])
    # Mean 2 and deviation 1; constant columns keep deviation 1.
    expected = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(layer(torch.from_numpy(frames)), expected)


def test_standardizing_clip_by_clip_is_standardizing_them_all():
    rng = np.random.default_rng(0)
    clips = [rng.normal(1e3 * k, 1 + k, (5 + k, 4)).astype(np.float32) for k in range(4)]
    layer = Standardize(4)
    layer.fit(clip for clip in clips)
    frames = np.concatenate(clips).astype(np.float64)
    torch.testing.assert_close(layer.mean.double(), torch.from_numpy(frames.mean(0)))
    torch.testing.assert_close(layer.std.double(), torch.from_numpy(frames.std(0)))
