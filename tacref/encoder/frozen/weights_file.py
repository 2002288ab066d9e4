"""ONNX models beyond 2 GiB: the graph in one file, its weights in another next to it.

ONNX calls this external data: a tensor names a file, relative to the folder of the graph, and which
bytes of it are its own.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

# Added to the name of a graph's file; the result is the name of the file with its weights.
SUFFIX = ".data"
# Smaller tensors stay in the graph, where converters may need their values.
MIN_TENSOR_BYTES = 1024
_ALIGNMENT = 4096  # of a tensor, so that onnxruntime can map it into memory
_BLOCK_BYTES = 1 << 24  # copied at once
_EXTERNAL = 1  # TensorProto.EXTERNAL


class Place(NamedTuple):
    """Bytes of a file."""

    file: Path
    offset: int
    length: int


class Piece(NamedTuple):
    """Bytes of one tensor for a file of weights: where they begin there, and where they are."""

    start: int
    source: Place | bytes

    @property
    def length(self) -> int:
        """Return the number of bytes."""
        return self.source.length if isinstance(self.source, Place) else len(self.source)

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes, some at a time.

        Raises
        ------
        OSError, ValueError
            If the file cannot be read, or has become shorter.
        """
        if isinstance(self.source, bytes):
            yield self.source
            return
        path, offset, left = self.source
        with path.open("rb") as file:
            file.seek(offset)
            while left:
                block = file.read(min(left, _BLOCK_BYTES))
                if not block:
                    raise ValueError(f"{path}: was cut off while it was read")
                left -= len(block)
                yield block


def path_of_weights(path: Path) -> Path:
    """Return the file with the weights of a graph at `path`."""
    return path.with_name(path.name + SUFFIX)


def outside_tensors(model: Any) -> list[Any]:
    """Return the tensors of a model whose bytes are in other files, wherever it uses them."""
    tensors = list(_tensors_of_graph(model.graph))
    for function in model.functions:
        for node in function.node:
            tensors += _tensors_of_node(node)
    return [tensor for tensor in tensors if tensor.data_location == _EXTERNAL]


def check_places(path: Path, model: Any) -> None:
    """Refuse a model whose weights are not in files of its own folder or below, or not there.

    Raises
    ------
    FileNotFoundError
        If a file with weights is missing.
    ValueError
        If one is named by an absolute path or one that leads out of the folder, is reached through
        a symbolic link, or is too short.
    """
    for tensor in outside_tensors(model):
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        parts = re.split(r"[/\\]", location)
        if not location or parts[0] == "" or ":" in parts[0] or ".." in parts:
            raise ValueError(
                f"{path}: keeps weights in {location!r}, and only files in its own folder are read"
            )
        file = path.parent / location
        if not file.is_file():
            raise FileNotFoundError(f"{path}: keeps its weights in {location}, which is not there")
        # onnx refuses links, and onnxruntime follows some: here they are all refused.
        within = Path(location)
        if any((path.parent / part).is_symlink() for part in (within, *within.parents[:-1])):
            raise ValueError(
                f"{path}: keeps its weights in {location}, which is a symbolic link; replace the "
                "link by a copy of what it points to, or download the model with "
                "`hf download --local-dir`"
            )
        place = place_of(tensor, path.parent)
        if min(place.offset, place.length) < 0:
            raise ValueError(f"{path}: damaged: {tensor.name} is nowhere in {location}")
        if place.offset + place.length > file.stat().st_size:
            raise ValueError(f"{path}: its weights in {location} are cut off")


def place_of(tensor: Any, folder: Path) -> Place:
    """Return where the bytes of a tensor of `outside_tensors` are; negative numbers are damage."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    file = folder / entries["location"]
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries["length"]) if "length" in entries else file.stat().st_size - offset
    except ValueError:
        offset = length = -1
    return Place(file, offset, length)


def bytes_of_weights(model: Any, folder: Path) -> int:
    """Return the bytes of a model's weights, in the graph or in other files."""
    return sum(
        place_of(tensor, folder).length
        if tensor.data_location == _EXTERNAL
        else len(tensor.raw_data)
        for tensor in model.graph.initializer
    )


def move_weights(model: Any, folder: Path, name: str) -> list[Piece]:
    """Let a model look for its weights in one file.

    Parameters
    ----------
    model : onnx.ModelProto
        Modified: all but its smallest weights are taken out.
    folder : Path
        Where files that already hold some of them are.
    name : str
        The file, next to that of the model.

    Returns
    -------
    list of Piece
        What must be in that file.
    """
    pieces: list[Piece] = []
    end = 0
    for tensor in model.graph.initializer:
        source: Place | bytes
        if tensor.data_location == _EXTERNAL:
            source = place_of(tensor, folder)
        elif len(tensor.raw_data) >= MIN_TENSOR_BYTES:
            source = tensor.raw_data
        else:
            continue
        piece = Piece(-(-end // _ALIGNMENT) * _ALIGNMENT, source)
        end = piece.start + piece.length
        pieces.append(piece)
        tensor.ClearField("raw_data")
        tensor.data_location = _EXTERNAL
        del tensor.external_data[:]
        for key, value in (("location", name), ("offset", piece.start), ("length", piece.length)):
            tensor.external_data.add(key=key, value=str(value))
    return pieces


def write_pieces(pieces: Sequence[Piece], file: IO[bytes]) -> None:
    """Write a file of weights.

    Raises
    ------
    OSError, ValueError
        As `Piece.blocks`; or if it cannot be written.
    """
    for piece in pieces:
        file.seek(piece.start)
        for block in piece.blocks():
            file.write(block)


def digest_of(graph: bytes, pieces: Sequence[Piece]) -> str:
    """Return the SHA-256 of a serialized graph and its weights."""
    digest = hashlib.sha256(graph)
    for piece in pieces:
        for block in piece.blocks():
            digest.update(block)
    return digest.hexdigest()


def _tensors_of_graph(graph: Any) -> Iterator[Any]:
    """Yield the tensors of a graph, also those of graphs within it."""
    yield from graph.initializer
    for node in graph.node:
        yield from _tensors_of_node(node)


def _tensors_of_node(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        if attribute.HasField("g"):
            yield from _tensors_of_graph(attribute.g)
        for graph in attribute.graphs:
            yield from _tensors_of_graph(graph)
