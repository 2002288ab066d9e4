"""Refuses to score on training data: the same folder, or the same files by content."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

TRAIN = "train"


def check_split(data: str | Path, split: str, run_data: str | Path | None = None) -> None:
    """Refuse a split that is the training split, or shares a clip with it.

    Clips are compared by content, byte for byte, wherever they lie and whatever they are called.
    Only those that are as large as a training clip are read.

    Parameters
    ----------
    data : str or Path
        The data set's folder.
    split : str
        The split to be scored.
    run_data : str or Path, optional
        The data set that the encoder was trained on, if it is known; passed over if it is gone.

    Raises
    ------
    ValueError
        If the split is training data; names the clips.
    """
    folder = Path(data) / split
    trained_on = {(Path(data) / TRAIN).resolve()}
    if run_data is not None:
        trained_on.add((Path(run_data) / TRAIN).resolve())
    if folder.resolve() in trained_on:
        raise ValueError(
            f"{folder}: is training data; a score on it says nothing about other videos "
            "(--split names another split)"
        )
    known: dict[int, list[Path]] = {}
    for place in sorted(trained_on):
        for clip in _clips(place):
            known.setdefault(_size(clip), []).append(clip)
    digests: dict[Path, str] = {}
    for clip in _clips(folder):
        for other in known.get(_size(clip), ()):
            for path in (clip, other):
                if path not in digests:
                    digests[path] = _digest(path)
            if digests[clip] == digests[other]:
                raise ValueError(
                    f"{clip}: holds the same as the training clip {other}; training data is not "
                    "scored"
                )


def _clips(folder: Path) -> list[Path]:
    from tacref.data.clips import clip_kind

    if not folder.is_dir():
        return []
    found = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if clip_kind(entry) is not None:
            found.append(entry)
        elif entry.is_dir():
            found.extend(_clips(entry))
    return found


def _size(clip: Path) -> int:
    return sum(os.path.getsize(path) for path in _files(clip))


def _digest(clip: Path) -> str:
    digest = hashlib.sha256()
    for path in _files(clip):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _files(clip: Path) -> Iterable[Path]:
    if not clip.is_dir():
        return [clip]
    return sorted(path for path in clip.iterdir() if path.is_file() and path.name[0] != ".")
