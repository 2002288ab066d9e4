"""Three small encoders, and clips for them."""

import numpy as np

from tacref.encoder import EncoderConfig

CONFIGS = {
    "features": EncoderConfig.default("features", channels=6, dim=8),
    "small": EncoderConfig.default("small", size=32, dim=8, offsets=(-3, 0, 5)),
    "resnet50": EncoderConfig.default("resnet50", size=32, dim=8, offsets=(-2, 0)),
}


def clip(config, length, height=41, width=57, seed=0):
    rng = np.random.default_rng(seed)
    if config.takes_pictures:
        return rng.integers(0, 256, (length, height, width, 3), dtype=np.uint8)
    return rng.normal(size=(length, config.channels)).astype(np.float32)
