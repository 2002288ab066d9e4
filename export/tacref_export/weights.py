"""Exported encoders beyond 2 GiB: their weights in a file next to the graph.

It is checked without onnx, which a session does without.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from tacref_export.metadata import WEIGHTS, fields

# Fields of messages, in onnx.proto: ModelProto, GraphProto, TensorProto, StringStringEntryProto.
_GRAPH, _INITIALIZER, _EXTERNAL_DATA = 7, 5, 13
_KEY, _VALUE = 1, 2


def stated_weights(folder: Path | None, weights: Path | None) -> dict[str, str]:
    """Return what the metadata of a graph says about the file with its weights, if there is one."""
    if folder is None or weights is None:
        return {}
    file = folder / weights.name
    stated = {"file": file.name, "bytes": file.stat().st_size, "sha256": _digest(file)}
    return {WEIGHTS: json.dumps(stated)}


def checked_weights(path: Path, model: bytes, metadata: dict[str, str]) -> Path | None:
    """Return the file with the weights of an exported graph, or None if they are in it.

    If graph and weights are symbolic links into one folder, it is the file there: onnxruntime reads
    no weights through a link.

    Parameters
    ----------
    path : Path
        The graph's file.
    model : bytes
        Its content.
    metadata : dict of str to str
        From `read_metadata`.

    Raises
    ------
    FileNotFoundError
        If the file with its weights is missing.
    ValueError
        If that is another one than the metadata states, in another folder, or a link to there or
        to another name.
    """
    if WEIGHTS not in metadata:
        return None
    try:
        stated = json.loads(metadata[WEIGHTS])
        name, size, digest = (stated[key] for key in ("file", "bytes", "sha256"))
        is_name = isinstance(name, str) and name and name == Path(name).name
        if not is_name or set(_locations(model)) != {name}:
            raise ValueError("its tensors are in other files")
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise ValueError(f"{path}: damaged metadata ({WEIGHTS}: {error})") from None
    weights = path.parent / name
    if not weights.is_file():
        raise FileNotFoundError(
            f"{path}: keeps its weights in {name}, which is not there; the two files belong in one "
            "folder"
        )
    weights = weights.resolve()
    folders = (path.parent.resolve(), path.resolve().parent)
    if weights.name != name or weights.parent not in folders:
        raise ValueError(
            f"{path}: its weights in {name} are a symbolic link to {weights}; the two files belong "
            "in one folder, under their own names: copy them there, or link to both"
        )
    if weights.stat().st_size != size or _digest(weights) != digest:
        raise ValueError(
            f"{path}: its weights in {name} are damaged, or of another export (their hash is not "
            "the one that it states)"
        )
    return weights


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _locations(model: bytes) -> Iterator[str]:
    """Yield the file of each of a graph's weights that are not in it."""
    for graph in _messages(model, _GRAPH):
        for tensor in _messages(graph, _INITIALIZER):
            for entry in _messages(tensor, _EXTERNAL_DATA):
                if next(_messages(entry, _KEY), b"") == b"location":
                    yield next(_messages(entry, _VALUE), b"").decode()


def _messages(message: bytes, number: int) -> Iterator[bytes]:
    for each, _, start, end in fields(message):
        if each == number:
            yield message[start:end]
