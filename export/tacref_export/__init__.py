"""The ONNX side: an encoder as one proven file (convert), and its use without torch (session)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tacref_export.convert import export_encoder
    from tacref_export.session import EncoderSession

__all__ = ["EncoderSession", "export_encoder"]


def __getattr__(name: str) -> Any:
    if name == "export_encoder":
        from tacref_export.convert import export_encoder

        return export_encoder
    if name == "EncoderSession":
        from tacref_export.session import EncoderSession

        return EncoderSession
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
