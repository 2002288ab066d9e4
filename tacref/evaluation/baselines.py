"""Baselines for a trained encoder: itself untrained, and the raw frames."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tacref.encoder import Encoder

# Pixels; raw video is represented by pictures of this size.
THUMBNAIL_SIDE = 16


def raw_features(path: str | Path) -> np.ndarray:
    """Return the frames of a clip themselves as embeddings.

    Parameters
    ----------
    path : str or Path
        A video, a folder of pictures or an array of features.

    Returns
    -------
    ndarray of float64, shape (T, d)
        Rows of features unchanged; pictures as 16 x 16 RGB thumbnails in [0, 1], d = 768.

    Raises
    ------
    FileNotFoundError, ValueError
        If the clip is missing or damaged.
    """
    from tacref.data import load_clip

    frames = load_clip(path, THUMBNAIL_SIDE).frames
    rows = frames.reshape(len(frames), -1).astype(np.float64)
    return rows / 255.0 if frames.dtype == np.uint8 else rows


def untrained_encoder(encoder: "Encoder", config: dict[str, Any]) -> "Encoder":
    """Return the encoder of a run as it was before the first step.

    Parameters
    ----------
    encoder : Encoder
        The trained encoder; the statistics that standardize features are copied from it, and a
        frozen backbone is its own.
    config : dict
        The run's config.json: seed, and weight file of the backbone. If that file is gone, the
        backbone starts from random weights.

    Returns
    -------
    Encoder
        In evaluation mode, on the same device.
    """
    from tacref.encoder import build_encoder

    training = config.get("training")
    seed = training.get("seed", 0) if isinstance(training, dict) else 0
    weights = config.get("weights")
    if not (isinstance(weights, str) and Path(weights).is_file()):
        weights = None
    untrained = build_encoder(
        encoder.config, seed=seed if isinstance(seed, int) else 0, weights=weights
    )
    untrained.take_fixed_parts(encoder)
    return untrained.to(encoder.offsets.device).eval()
