"""Resizing gives the bytes that training sees; standardizing is a plain fit."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch.nn import functional

from tacref.encoder.preprocess import Pictures, Standardize, resize_weights
from tacref.kernels.resize import resize
from tacref.resizing import COLUMN_BITS, ROW_BITS


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def bytes_of(pictures, pixels):
    """The bytes that standardized pixels came of."""
    levels = (pixels * pictures.std + pictures.mean) * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    return levels.round().permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(
    ("height", "width"), [(360, 640), (640, 360), (31, 33), (48, 64), (65, 1), (1, 1), (4, 3000)]
)
def test_the_bytes_of_training(height, width, autocast):
    frames = noise(2, height, width, 3)
    pictures = Pictures(64)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        pixels = pictures(torch.from_numpy(frames))
    resized = np.stack([resize(frame, 64) for frame in frames])
    assert_array_equal(bytes_of(pictures, pixels), resized)
    assert torch.equal(pixels, pictures(torch.from_numpy(resized)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
@pytest.mark.parametrize(("height", "width"), [(360, 640), (640, 360), (48, 64)])
def test_the_bytes_of_training_on_a_gpu(height, width):
    frames = noise(2, height, width, 3)
    pixels = Pictures(64).cuda()(torch.from_numpy(frames).cuda()).cpu()
    resized = np.stack([resize(frame, 64) for frame in frames])
    assert_array_equal(bytes_of(Pictures(64), pixels), resized)


@pytest.mark.parametrize("bits", [ROW_BITS, COLUMN_BITS])
def test_weights_are_those_of_the_kernel(bits):
    from tacref.kernels.resize import taps

    for n in (1, 2, 3, 31, 32, 33, 360, 8192):
        for size in (1, 2, 32, 224):
            weights = resize_weights(torch.zeros(n), size, bits)
            first, count, kernels = taps(n, size, 1 << bits)
            expected = np.zeros((size, n), np.int64)
            for t in range(size):
                expected[t, first[t] : first[t] + count[t]] = kernels[t, : count[t]]
            assert_array_equal(weights.numpy(), expected)


@pytest.mark.parametrize(("height", "width"), [(31, 33), (120, 200), (360, 640), (65, 1)])
def test_resize_is_torchs_antialiased_interpolation(height, width):
    frames = torch.from_numpy(noise(2, height, width, 3))
    expected = functional.interpolate(
        frames.permute(0, 3, 1, 2).double(), size=(64, 64), mode="bilinear", antialias=True,
        align_corners=False,
    )  # fmt: skip
    pictures = Pictures(64)
    levels = (pictures(frames) * pictures.std + pictures.mean) * 255
    # Half a level by the last rounding, an eighth by that between the axes.
    torch.testing.assert_close(levels.double(), expected, atol=0.65, rtol=0)


def test_bits_of_training_are_those_of_evaluation(monkeypatch):
    frames = torch.from_numpy(noise(5, 16, 16, 3))
    frames.flatten()[:256] = torch.arange(256)
    pictures, calls = Pictures(16), []
    look_up = pictures._look_up
    monkeypatch.setattr(pictures, "_look_up", lambda frames: calls.append(1) or look_up(frames))
    evaluated = pictures.eval()(frames)
    traced = torch.export.export(pictures.train(), (frames,)).module()(frames)
    assert not calls
    trained = pictures(frames)
    assert calls
    assert torch.equal(trained, evaluated)
    assert torch.equal(trained, traced)
    assert trained.is_contiguous(memory_format=torch.channels_last)
    narrow = torch.from_numpy(noise(5, 16, 32, 3))[:, :, ::2]
    assert torch.equal(pictures(narrow), pictures.eval()(narrow))


def test_right_size_is_left_alone():
    frames = noise(1, 64, 64, 3)
    pictures = Pictures(64)
    assert_array_equal(bytes_of(pictures, pictures(torch.from_numpy(frames))), frames)


def test_standardize():
    frames = np.array([[1.0, 5.0, 0.0], [3.0, 5.0, 0.0]], np.float32)
    layer = Standardize(3)
    assert_array_equal(layer.fit([frames]), [1, 0, 0])
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
