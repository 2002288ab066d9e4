"""Changes of a clip's pictures that leave what it shows, the same for all its frames."""

import numpy as np


def augment_pictures(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror (half the time) and change brightness and contrast, all frames alike.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W, 3)
        Pictures of one clip. Not modified.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray of uint8, shape (T, H, W, 3)
        Brightness changed by up to 20 % of full scale, contrast by a factor of 0.8 to 1.25.
    """
    mirrored = rng.random() < 0.5
    shift = rng.uniform(-51, 51)
    factor = 1.25 ** rng.uniform(-1, 1)
    levels = np.clip((np.arange(256) - 127.5) * factor + 127.5 + shift, 0, 255)
    pictures = levels.round().astype(np.uint8)[frames]
    return pictures[:, :, ::-1] if mirrored else pictures
