"""f_theta: frames in, one embedding per frame out; saved as safetensors and config.json.

`config` and `registry` need no torch; the other names load it when they are first used.
"""

from typing import TYPE_CHECKING, Any

from tacref.encoder.config import EncoderConfig
from tacref.encoder.registry import ENCODERS

if TYPE_CHECKING:
    from tacref.encoder.encoder import Encoder, build_encoder
    from tacref.encoder.storage import load_encoder, save_encoder

__all__ = [
    "ENCODERS",
    "Encoder",
    "EncoderConfig",
    "build_encoder",
    "load_encoder",
    "save_encoder",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tacref.encoder import encoder, storage

    return getattr(encoder, name, None) or getattr(storage, name)
