"""Augmentation of a clip: changes that are the same for all its frames and keep its content."""

import math

import numpy as np

# Largest factor by which speed may change around a frame: people differ as much in the steps of an
# activity.
MAX_STRETCH = 2.25


def augment_pictures(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror (half the time) and change brightness and contrast, all frames alike.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W, 3)
        Pictures of one clip. Not modified.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    ndarray of uint8, shape (T, H, W, 3)
        Brightness changed by up to 20 % of full scale, contrast by a factor of 0.8 to 1.25.
    """
    levels, mirrored = _draw_levels(rng)
    pictures = levels[frames]
    return pictures[:, :, ::-1] if mirrored else pictures


def _draw_levels(rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """Draw what becomes of each level, and whether pictures are mirrored."""
    mirrored = rng.random() < 0.5
    shift = rng.uniform(-51, 51)
    factor = 1.25 ** rng.uniform(-1, 1)
    levels = np.clip((np.arange(256) - 127.5) * factor + 127.5 + shift, 0, 255)
    return levels.round().astype(np.uint8), mirrored


def stretch_offsets(offsets: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw context offsets as if the video were faster or slower around each frame.

    Parameters
    ----------
    offsets : ndarray of int, shape (K,)
        Context frames relative to each frame.
    count : int
        Number of frames N.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    ndarray of int64, shape (N, K)
        Offsets multiplied by 1 / MAX_STRETCH to MAX_STRETCH, by different factors before and after
        each frame; rounded.
    """
    before, after = MAX_STRETCH ** rng.uniform(-1, 1, (2, count, 1))
    return np.rint(np.where(offsets < 0, before, after) * offsets).astype(np.int64)


def change_view(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Permute and, half the time, invert the colors; turn, scale and shift, all frames alike.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W, 3)
        Pictures of one clip. Not modified.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    ndarray of uint8, shape (T, H, W, 3)
        Turned by up to 0.12 radians, magnified by 0.89 to 1.14, shifted by up to 5 % of the side;
        what lies beyond the edges is black, or white if colors are inverted.
    """
    return _change(frames, np.arange(256, dtype=np.uint8), False, rng)


def augment_view(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return `change_view(augment_pictures(frames, rng), rng)`, computed at once.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W, 3)
        Pictures of one clip. Not modified.
    rng : numpy.random.Generator
        Random number generator.
    """
    return _change(frames, *_draw_levels(rng), rng)


def _change(
    frames: np.ndarray, levels: np.ndarray, mirrored: bool, rng: np.random.Generator
) -> np.ndarray:
    from tacref.kernels.views import change_pictures  # imports Numba

    order, inverted = rng.permutation(3), rng.random() < 0.5
    angle, scale = rng.uniform(-0.12, 0.12), rng.uniform(0.88, 1.12)
    height, width = frames.shape[1:3]
    across, down = rng.uniform(-0.05, 0.05, 2) * (width, height)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    x, y = width / 2, height / 2  # only the shift moves the center
    transform = np.array(
        (cos, -sin, x - cos * x + sin * y + across, sin, cos, y - sin * x - cos * y + down)
    )
    # Writable: Numba would compile again for a read-only array.
    pictures = np.require(frames, requirements=("C", "W"))
    changed: np.ndarray = change_pictures(pictures, levels, mirrored, order, transform, inverted)
    return changed
