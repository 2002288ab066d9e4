"""Clips with the same content, byte for byte, whatever their names and folders."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_START_BYTES = 1 << 16  # of each file, compared before the rest is read


def find_copies(clips: Iterable[Path], others: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Find the clips that have the same content as one of some others.

    Only clips of equal size are read, and read in full only if they begin alike.

    Parameters
    ----------
    clips, others : iterable of Path
        Files, or folders of frames.

    Yields
    ------
    clip, other : Path
        A clip, and the first of the others that is equal to it.
    """
    known: dict[int, list[Path]] = {}
    for other in others:
        known.setdefault(_size(other), []).append(other)
    starts: dict[Path, bytes] = {}
    digests: dict[Path, bytes] = {}
    for clip in clips:
        for other in known.get(_size(clip), ()):
            if all(
                _digest(clip, computed, max_bytes) == _digest(other, computed, max_bytes)
                for computed, max_bytes in ((starts, _START_BYTES), (digests, None))
            ):
                yield clip, other
                break


def _size(clip: Path) -> int:
    return sum(os.path.getsize(path) for path in _files(clip))


def _digest(clip: Path, computed: dict[Path, bytes], max_bytes: int | None) -> bytes:
    if clip not in computed:
        digest = hashlib.sha256()
        for path in _files(clip):
            with path.open("rb") as file:
                if max_bytes is None:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
                else:
                    digest.update(hashlib.sha256(file.read(max_bytes)).digest())
        computed[clip] = digest.digest()
    return computed[clip]


def _files(clip: Path) -> list[Path]:
    if not clip.is_dir():
        return [clip]
    return sorted(path for path in clip.iterdir() if path.is_file() and path.name[0] != ".")
