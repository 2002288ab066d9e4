"""The metadata of an exported file, and whether it is still the file that was proven.

It is read without onnx: a serialized model is a list of numbered fields, and only their bounds are
needed here.
"""

import base64
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tacref.encoder.config import EncoderConfig

PREFIX = "tacref."
FORMAT = "3"
HASH = "content_sha256"
_REQUIRED_KEYS = frozenset((
    "format", "version", "encoder", "precision", "preprocessing", "parity", "weights_sha256", HASH,
    "streaming", "torch", "onnxruntime",
))  # fmt: skip
_MEASUREMENTS = {
    "parity": ("max_abs", "min_cosine", "streaming"),
    "tau": ("float32", "int8", "clips"),
}
# Of an encoder whose weights are in a file next to the graph.
WEIGHTS = "weights"
INPUT, OUTPUT = "frames", "embeddings"
CONTEXT, NEXT_CONTEXT = "context", "next_context"
_METADATA_FIELD = 14  # metadata_props of ModelProto, in onnx.proto


def context_rows(offsets: Sequence[int]) -> int:
    """Return the number of frames whose features a stream carries from chunk to chunk."""
    return max(1, max(0, -offsets[0]) + max(0, offsets[-1]))


def read_metadata(path: str | Path, model: bytes) -> dict[str, str]:
    """Read the metadata of a serialized model, and check that nothing in it was changed.

    Parameters
    ----------
    path : str or Path
        Path of the file, for messages.
    model : bytes
        The content of the file.

    Returns
    -------
    dict of str to str
        Keys without the prefix `tacref.`.

    Raises
    ------
    ValueError
        If it is not an ONNX file, not an encoder exported by tacref, of another format, or changed
        since it was written.
    """
    try:
        entries = [_entry(model[content:end]) for _, content, end in _metadata_fields(model)]
    except (ValueError, IndexError, UnicodeDecodeError):
        raise ValueError(f"{path}: damaged, or not an ONNX file") from None
    metadata = {key.removeprefix(PREFIX): value for key, value in entries if key.startswith(PREFIX)}
    if "format" not in metadata:
        raise ValueError(f"{path}: not an encoder exported by tacref")
    if metadata["format"] != FORMAT:
        raise ValueError(
            f"{path}: its format is {metadata['format']}, this version of tacref reads {FORMAT}; "
            "export it again"
        )
    if missing := sorted(_REQUIRED_KEYS - set(metadata)):
        raise ValueError(f"{path}: damaged metadata (no {', '.join(missing)})")
    if metadata[HASH] != content_hash(model):
        raise ValueError(
            f"{path}: damaged or changed since it was proven equal to torch (its content does not "
            f"have the hash that it states); export it again"
        )
    return metadata


def read_config(path: str | Path, metadata: dict[str, str]) -> EncoderConfig:
    """Read the encoder configuration from the metadata.

    Raises
    ------
    ValueError
        If it is not valid.
    """
    try:
        return EncoderConfig.from_json(json.loads(metadata["encoder"]))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: damaged metadata ({error})") from None


def read_measurements(path: str | Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Read the measurements made when the file was written.

    Returns
    -------
    dict
        `parity`, a list of records, and for int8 `tau`, a record.

    Raises
    ------
    ValueError
        If a record, or a number in it, is missing.
    """
    measurements: dict[str, Any] = {}
    for name, numbers in _MEASUREMENTS.items():
        if name not in metadata:
            continue
        try:
            measurements[name] = json.loads(metadata[name])
            records = measurements[name] if name == "parity" else [measurements[name]]
            for number in numbers:
                if not records or not all(math.isfinite(each[number]) for each in records):
                    raise ValueError(f"no {number}")
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise ValueError(f"{path}: damaged metadata ({name}: {error})") from None
    return measurements


def streaming_form(path: str | Path, model: bytes, metadata: dict[str, str]) -> bytes:
    """Return the model that also takes `context` and returns `next_context`.

    Raises
    ------
    ValueError
        If the metadata does not hold it.
    """
    try:
        return model + base64.b64decode(metadata["streaming"], validate=True)
    except ValueError as error:
        raise ValueError(f"{path}: damaged metadata (streaming: {error})") from None


def content_hash(model: bytes) -> str:
    """Return the SHA-256 of a serialized model without the entry that stores it.

    It detects damage and careless edits; it is not a signature.
    """
    digest = hashlib.sha256()
    view = memoryview(model)  # its slices are not copies
    hashed = 0
    for start, content, end in _metadata_fields(model):
        if _entry(model[content:end])[0] == PREFIX + HASH:
            digest.update(view[hashed:start])
            hashed = end
    digest.update(view[hashed:])
    return digest.hexdigest()


def fields(message: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, start, start of the content and end of each field of a message."""
    position = 0
    while position < len(message):
        start = position
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        content = position
        if kind == 0:
            _, position = _varint(message, position)
        elif kind == 1:
            position += 8
        elif kind == 2:
            size, content = _varint(message, position)
            position = content + size
        elif kind == 5:
            position += 4
        else:
            raise ValueError("unknown kind of field")
        if number == 0 or position > len(message):
            raise ValueError("field beyond the end")
        yield number, start, content, position


def _metadata_fields(model: bytes) -> Iterator[tuple[int, int, int]]:
    for number, start, content, end in fields(model):
        if number == _METADATA_FIELD:
            yield start, content, end


def _entry(message: bytes) -> tuple[str, str]:
    texts = {number: message[content:end] for number, _, content, end in fields(message)}
    return texts.get(1, b"").decode(), texts.get(2, b"").decode()


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError("number too long")
