"""Whether the end of a video file is missing, judging by the structure of its container."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def is_cut(path: str | Path, container: str) -> bool:
    """Return whether a container refers to bytes beyond the end of the file.

    Parameters
    ----------
    path : str or Path
        A video file.
    container : str
        ffmpeg's name of its format.

    Returns
    -------
    bool
        False also for formats that do not state sizes, such as MPEG-TS and files written to a pipe.
    """
    check = next((_CUT_CHECKS[name] for name in container.split(",") if name in _CUT_CHECKS), None)
    if check is None:
        return False
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            return check(file, size)
        except struct.error:  # it ends in the middle of a header
            return True


def _mp4(file: BinaryIO, size: int) -> bool:
    """Walk the boxes: 32 bits of length, four letters, and 64 bits of length if the first is 1."""
    at = 0
    while at < size:
        file.seek(at)
        length, _ = struct.unpack(">I4s", file.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
        if length < 8:  # 0: to the end of the file
            return False
        at += length
    return at > size


def _matroska(file: BinaryIO, size: int) -> bool:
    """Check the segment, the only element after the header."""
    for _ in range(2):
        at = file.tell()
        head = file.read(16)
        id_bytes = 9 - head[0].bit_length() if head and head[0] else 9
        first = head[id_bytes] if id_bytes < len(head) else 0
        bytes_of_length = 9 - first.bit_length()
        if first == 0 or id_bytes > 4:
            return False  # not a known structure
        field = head[id_bytes : id_bytes + bytes_of_length]
        if len(field) < bytes_of_length:
            return True
        bits = 7 * bytes_of_length
        length = int.from_bytes(field, "big") & ((1 << bits) - 1)
        if length == (1 << bits) - 1:  # unknown: written to a pipe
            return False
        end = at + id_bytes + bytes_of_length + length
        file.seek(end)
    return end > size


def _avi(file: BinaryIO, size: int) -> bool:
    """Walk the RIFF lists; files above 1 GB have several."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF" or length in (0, 0xFFFFFFFF):  # written to a pipe
            return False
        at += 8 + length + length % 2
    return at > size + 1  # the last list may lack its padding byte


def _flv(file: BinaryIO, size: int) -> bool:
    """Walk the tags: 11 bytes of header, the data, and the length of the tag again."""
    (start,) = struct.unpack_from(">I", file.read(9), 5)
    at = start + 4
    while at + 11 <= size:
        file.seek(at)
        kind, *length = file.read(4)
        if kind & 0x1F not in (8, 9, 18):  # sound, picture, text
            return False
        at += 11 + int.from_bytes(length, "big") + 4
    return at - 4 > size


def _gif(file: BinaryIO, size: int) -> bool:
    """Walk the blocks up to the trailer; a missing trailer, or bytes after it, are accepted."""

    def skip_table(flags: int) -> None:
        if flags & 0x80:
            file.seek(3 << (flags & 7) + 1, os.SEEK_CUR)

    header = file.read(13)
    skip_table(struct.unpack_from("<B", header, 10)[0])
    while file.tell() < size:
        kind = file.read(1)
        if kind == b"!":  # an extension: its label
            file.seek(1, os.SEEK_CUR)
        elif kind == b",":  # a picture: position, colors, code size
            skip_table(struct.unpack_from("<B", file.read(9), 8)[0])
            file.seek(1, os.SEEK_CUR)
        else:
            return False
        while length := struct.unpack("<B", file.read(1))[0]:
            file.seek(length, os.SEEK_CUR)
    return file.tell() > size


_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def _asf(file: BinaryIO, size: int) -> bool:
    """Find the length in the header, which is 0 in a file written to a pipe."""
    header = file.read(1 << 16)
    at = header.find(_ASF_FILE_PROPERTIES)
    # The length follows 40 bytes of identifiers and lengths.
    return at >= 0 and struct.unpack_from("<Q", header, at + 40)[0] > size


_CUT_CHECKS: dict[str, Callable[[BinaryIO, int], bool]] = {
    "asf": _asf,
    "avi": _avi,
    "flv": _flv,
    "gif": _gif,
    "matroska": _matroska,
    "mov": _mp4,
}
