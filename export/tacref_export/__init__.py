"""The ONNX side: an encoder as one proven file (convert), and its use without torch (session)."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tacref_export.convert import export_encoder
    from tacref_export.inspection import inspect
    from tacref_export.opening import open_encoder
    from tacref_export.proof import ParityError
    from tacref_export.session import EncoderSession
    from tacref_export.streaming import EncoderStream

# From version 1.29 on, onnxruntime reports to its maker unless this is set when it is first
# imported: then it makes no device id, keeps no record of runs and opens no connection. All code
# here that imports it is in this package, so it is set in time unless other code came first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# Each is loaded when it is first used: a session needs neither torch nor onnx.
_MODULES = {
    "EncoderSession": "session",
    "EncoderStream": "streaming",
    "ParityError": "proof",
    "export_encoder": "convert",
    "inspect": "inspection",
    "open_encoder": "opening",
}

__all__ = [
    "EncoderSession",
    "EncoderStream",
    "ParityError",
    "export_encoder",
    "inspect",
    "open_encoder",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"tacref_export.{_MODULES[name]}"), name)
