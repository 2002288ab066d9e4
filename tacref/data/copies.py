"""Clips that hold the same, byte for byte, wherever they lie and whatever they are called."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_START = 1 << 16  # bytes of each file that are compared before all of them


def find_copies(clips: Iterable[Path], others: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Find the clips that hold the same as one of some others.

    Only clips of equal size in bytes are read, and whole only if they begin alike.

    Parameters
    ----------
    clips, others : iterable of Path
        Files, or folders of frames.

    Yields
    ------
    clip, other : Path
        A clip, and the first of the others that it equals.
    """
    known: dict[int, list[Path]] = {}
    for other in others:
        known.setdefault(_size(other), []).append(other)
    starts: dict[Path, bytes] = {}
    digests: dict[Path, bytes] = {}
    for clip in clips:
        for other in known.get(_size(clip), ()):
            if all(
                _digest(clip, seen, most) == _digest(other, seen, most)
                for seen, most in ((starts, _START), (digests, None))
            ):
                yield clip, other
                break


def _size(clip: Path) -> int:
    return sum(os.path.getsize(path) for path in _files(clip))


def _digest(clip: Path, seen: dict[Path, bytes], most: int | None) -> bytes:
    if clip not in seen:
        digest = hashlib.sha256()
        for path in _files(clip):
            with path.open("rb") as file:
                if most is None:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
                else:
                    digest.update(hashlib.sha256(file.read(most)).digest())
        seen[clip] = digest.digest()
    return seen[clip]


def _files(clip: Path) -> list[Path]:
    if not clip.is_dir():
        return [clip]
    return sorted(path for path in clip.iterdir() if path.is_file() and path.name[0] != ".")
