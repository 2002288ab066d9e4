"""Clips of any kind: finding them in a data set and reading them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from tacref.data import frames, video
from tacref.data.features import load_features
from tacref.data.frames import iter_pictures, picture_files
from tacref.data.resize import resize
from tacref.data.video import iter_video

# Folders of frames and feature arrays have no clock of their own.
FPS = 25.0

Kind = Literal["video", "frames", "features"]
_BESIDE = frozenset((".csv", ".json", ".md", ".txt"))
# What file managers and file systems leave in folders, in lower case; much else of it is hidden.
_JUNK = frozenset(("thumbs.db", "desktop.ini", "@eadir", "__macosx", "lost+found"))


@dataclass(frozen=True, order=True)
class Clip:
    """One clip of a data set.

    Parameters
    ----------
    path : Path
        A video file, a folder of pictures or a `.npy` file.
    activity : str
        What it shows; "" where the data set has no activity folders.
    kind : {"video", "frames", "features"}
        Which of them it is.
    """

    path: Path
    activity: str
    kind: Kind

    @property
    def name(self) -> str:
        """File or folder name, as in phases.csv."""
        return self.path.name


class LoadedClip(NamedTuple):
    """A clip in memory: `frames` `(T, H, W, 3)` uint8 or `(T, F)` float32, `timestamps` in s."""

    frames: np.ndarray
    timestamps: np.ndarray


def clip_kind(path: str | Path) -> Kind | None:
    """Say what kind of clip a path is, by its suffix or by the pictures in it, or None.

    A folder that holds folders, videos or arrays is no clip, even if there is a picture beside
    them.
    """
    path = Path(path)
    if path.is_dir():
        holds_clips = any(entry.is_dir() or clip_kind(entry) for entry in _entries(path))
        return "frames" if picture_files(path) and not holds_clips else None
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return "features"
    return "video" if suffix in video.SUFFIXES else None


def find_clips(
    data_dir: str | Path, split: str, *, bad: dict[Path, str] | None = None
) -> dict[str, list[Clip]]:
    """Find the clips of a split, `DIR/SPLIT/[ACTIVITY/]clip`.

    Parameters
    ----------
    data_dir : str or Path
        The data set's folder.
    split : str
        The split's folder in it, such as "train".
    bad : dict of Path to str, optional
        Where given, what is no clip is left out and noted here, with what is wrong with it; by
        default it is an error.

    Returns
    -------
    dict of str to list of Clip
        Activity to its clips, at least two each, in order of name. Passed over are hidden files,
        .csv, .json, .md and .txt files, which may stand beside the clips, and what file managers
        leave in folders, such as Thumbs.db.

    Raises
    ------
    FileNotFoundError
        If the data set or the split is missing.
    ValueError
        If there are no clips, an activity has only one, a file is no clip, or pictures and
        features are mixed.
    """
    folder = Path(data_dir) / split
    for path, what in ((Path(data_dir), "data set"), (folder, "split")):
        if not path.is_dir():
            raise FileNotFoundError(
                f"{path}: no such {what} folder; a data set has train/ and val/ with clips in them"
            )
    entries = []
    for path in _entries(folder):
        if path.is_dir() or clip_kind(path) is not None:
            entries.append(path)
        else:
            _leave_out(path, bad)
    activities = [path for path in entries if path.is_dir() and clip_kind(path) is None]
    if bad is not None and len(activities) < len(entries):  # beside clips, a folder without any
        empty = [path for path in activities if not any(map(clip_kind, _entries(path)))]
        bad |= {path: f"{path}: holds no clips" for path in empty}
        activities = [path for path in activities if path not in empty]
        entries = [path for path in entries if path not in empty]
    if len(activities) not in (0, len(entries)):
        other = next(path for path in entries if path not in activities)
        raise ValueError(f"{folder}: mixes activity folders ({activities[0].name}) with clips "
                         f"({other.name})")  # fmt: skip
    found = (
        {path.name: _clips(_entries(path), path.name, bad) for path in activities}
        if activities
        else {"": _clips(entries, "", bad)}
    )
    for activity, clips in found.items():
        if len(clips) < 2:
            where = folder / activity if activity else folder
            held = f"only one clip, {clips[0].name}" if clips else "no clips"
            raise ValueError(f"{where}: holds {held}; aligning needs at least two of an activity")
    kinds = {clip.kind for clips in found.values() for clip in clips}
    if "features" in kinds and len(kinds) > 1:
        raise ValueError(f"{folder}: mixes feature arrays (.npy) with videos")
    return found


def iter_frames(path: str | Path) -> Iterator[tuple[np.ndarray, float]]:
    """Read a clip of any kind, frame by frame.

    Parameters
    ----------
    path : str or Path
        A video file, a folder of pictures or a `.npy` file.

    Returns
    -------
    iterator of (frame, timestamp)
        A picture, uint8 `(H, W, 3)` RGB, or a row of features, float32 `(F,)`; and seconds: a
        video's own, 25 frames a second for folders and arrays. Of a video it is a `VideoFrames`,
        which also has the shape of a pixel.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        When it is read: if it is damaged or no clip.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if path.is_dir():
        return ((picture, index / FPS) for index, picture in enumerate(iter_pictures(path)))
    if clip_kind(path) == "features":
        return _iter_features(path)
    return iter_video(path)  # whatever its suffix, ffmpeg knows best


def _iter_features(path: Path) -> Iterator[tuple[np.ndarray, float]]:
    for index, row in enumerate(load_features(path)):
        yield row, index / FPS


def load_clip(path: str | Path, size: int | None = None) -> LoadedClip:
    """Read a whole clip into memory.

    Parameters
    ----------
    path : str or Path
        A video file, a folder of pictures or a `.npy` file.
    size : int, optional
        Side in pixels of a square to which pictures are resized as they are decoded, as
        `tacref.data.resize` says. By default they are left as they are.

    Returns
    -------
    LoadedClip
        Frames and timestamps.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If it is damaged or no clip, or `size` is not >= 1.
    """
    if size is not None and size < 1:
        raise ValueError(f"size must be >= 1, got {size!r}")
    rows, timestamps = [], []
    for frame, timestamp in iter_frames(path):
        rows.append(resize(frame, size) if size is not None and frame.ndim == 3 else frame)
        timestamps.append(timestamp)
    return LoadedClip(np.stack(rows), np.asarray(timestamps))


def _entries(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and path.name.lower() not in _JUNK
        and (path.is_dir() or path.suffix.lower() not in _BESIDE)
    )


def _leave_out(path: Path, bad: dict[Path, str] | None) -> None:
    """Note what is no clip, if there is where to."""
    known = sorted({".npy"} | video.SUFFIXES)
    error = (
        f"{path}: not a clip: a video ({' '.join(known)}) or a folder of pictures "
        f"({' '.join(sorted(frames.SUFFIXES))})"
    )
    if bad is None:
        raise ValueError(f"{error}; tacref train --on-bad-video skip leaves it out")
    bad[path] = error


def _clips(paths: list[Path], activity: str, bad: dict[Path, str] | None) -> list[Clip]:
    clips = []
    for path in paths:
        kind = clip_kind(path)
        if kind is None:
            _leave_out(path, bad)
        else:
            clips.append(Clip(path, activity, kind))
    return clips
