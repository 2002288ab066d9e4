"""Clips of any kind: finding them in a data set, and reading them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from tacref.data import frames, video
from tacref.data.arrays import ARCHIVE_SUFFIX, is_archive
from tacref.data.features import iter_features
from tacref.data.frames import iter_pictures, picture_files
from tacref.data.video import iter_video

# Frames per second of picture folders, and of feature arrays without times.
ASSUMED_FPS = 25.0

Kind = Literal["video", "frames", "features"]
_ARRAY_SUFFIXES = frozenset((".npy", ARCHIVE_SUFFIX))
_IGNORED_SUFFIXES = frozenset((".csv", ".json", ".md", ".tsv", ".txt", ".vtt"))
# Files and folders of file managers and file systems, in lower case; others of them are hidden.
_SYSTEM_NAMES = frozenset(("thumbs.db", "desktop.ini", "@eadir", "__macosx", "lost+found"))


@dataclass(frozen=True, order=True)
class Clip:
    """One clip of a data set.

    Parameters
    ----------
    path : Path
        A video file, a folder of pictures, or a `.npy` or `.npz` file.
    activity : str
        The activity that it shows; "" if the data set has no activity folders.
    kind : {"video", "frames", "features"}
        Kind of clip.
    """

    path: Path
    activity: str
    kind: Kind

    @property
    def name(self) -> str:
        """File or folder name, as in phases.csv."""
        return self.path.name


class LoadedClip(NamedTuple):
    """A clip in memory: uint8 `(T, H, W, 3)` or float32 `(T, F)` frames, and times in seconds."""

    frames: np.ndarray
    timestamps: np.ndarray


def clip_kind(path: str | Path) -> Kind | None:
    """Return the kind of clip of a path, by its suffix or by the pictures in it, or None.

    A folder with folders, videos or arrays is not a clip, even if it also holds pictures.
    """
    path = Path(path)
    if path.is_dir():
        holds_clips = any(entry.is_dir() or clip_kind(entry) for entry in _entries(path))
        return "frames" if picture_files(path) and not holds_clips else None
    suffix = path.suffix.lower()
    if suffix in _ARRAY_SUFFIXES:
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
        Gets the files that are not clips, with an error message each. By default such a file is an
        error.

    Returns
    -------
    dict of str to list of Clip
        Activity to its clips, at least two each, in order of name. Hidden files, .csv, .json, .md,
        .tsv, .txt and .vtt files, and files of file managers such as Thumbs.db are ignored.

    Raises
    ------
    FileNotFoundError
        If the data set or the split is missing.
    ValueError
        If there are no clips, an activity has only one, a file is not a clip, pictures and features
        are mixed, or NAME.npy and NAME.npz are both there.
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
            _refuse(path, bad)
    activities = [path for path in entries if path.is_dir() and clip_kind(path) is None]
    if bad is not None and len(activities) < len(entries):  # folders without clips among clips
        empty = [path for path in activities if not any(map(clip_kind, _entries(path)))]
        bad |= {path: f"{path}: holds no clips" for path in empty}
        activities = [path for path in activities if path not in empty]
        entries = [path for path in entries if path not in empty]
    if len(activities) not in (0, len(entries)):
        other = next(path for path in entries if path not in activities)
        raise ValueError(f"{folder}: mixes activity folders ({activities[0].name}) with clips "
                         f"({other.name})")  # fmt: skip
    clips_by_activity = (
        {path.name: _clips(_entries(path), path.name, bad) for path in activities}
        if activities
        else {"": _clips(entries, "", bad)}
    )
    for activity, clips in clips_by_activity.items():
        if len(clips) < 2:
            where = folder / activity if activity else folder
            content = f"only one clip, {clips[0].name}" if clips else "no clips"
            raise ValueError(
                f"{where}: holds {content}; aligning needs at least two of an activity"
            )
    kinds = {clip.kind for clips in clips_by_activity.values() for clip in clips}
    if "features" in kinds and len(kinds) > 1:
        raise ValueError(f"{folder}: mixes feature arrays (.npy, .npz) with videos")
    return clips_by_activity


def check_one_array_a_name(paths: Sequence[Path]) -> None:
    """Refuse NAME.npy next to NAME.npz: one is likely a copy of the other.

    Raises
    ------
    ValueError
        If both are among the paths.
    """
    arrays = {path.with_suffix("") for path in paths if path.suffix.lower() == ".npy"}
    for path in paths:
        if is_archive(path) and path.with_suffix("") in arrays:
            raise ValueError(f"{path}: {path.stem}.npy is there, too; remove one of them")


def iter_frames(path: str | Path) -> Iterator[tuple[np.ndarray, float]]:
    """Read a clip of any kind, frame by frame.

    Parameters
    ----------
    path : str or Path
        A video file, a folder of pictures, or a `.npy` or `.npz` file.

    Returns
    -------
    iterator of (frame, timestamp)
        A picture, uint8 `(H, W, 3)` RGB, or a row of features, float32 `(F,)`; and its time in
        seconds: from the file for a video or an archive with times, at 25 frames per second for
        folders and other arrays. For a video this is a `VideoFrames`, which also knows the pixel
        aspect ratio.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        While it is read: if it is damaged or not a clip.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if path.is_dir():
        return ((picture, index / ASSUMED_FPS) for index, picture in enumerate(iter_pictures(path)))
    if clip_kind(path) == "features":
        return _iter_features(path)
    return iter_video(path)  # whatever its suffix: ffmpeg decides


def _iter_features(path: Path) -> Iterator[tuple[np.ndarray, float]]:
    for index, (row, time) in enumerate(iter_features(path)):
        yield row, index / ASSUMED_FPS if time is None else time


def load_clip(path: str | Path, size: int | None = None) -> LoadedClip:
    """Read a whole clip into memory.

    Parameters
    ----------
    path : str or Path
        A video file, a folder of pictures, or a `.npy` or `.npz` file.
    size : int, optional
        Side in pixels of the square to which pictures are resized, as `tacref.resizing` defines.
        By default they are not resized.

    Returns
    -------
    LoadedClip
        Frames and timestamps.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If it is damaged or not a clip, or `size` is not >= 1.
    """
    if size is not None and size < 1:
        raise ValueError(f"size must be >= 1, got {size!r}")
    rows, timestamps = [], []
    for frame, timestamp in iter_frames(path):
        rows.append(resized(frame, size) if size is not None and frame.ndim == 3 else frame)
        timestamps.append(timestamp)
    return LoadedClip(np.stack(rows), np.asarray(timestamps))


def _entries(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and path.name.lower() not in _SYSTEM_NAMES
        and (path.is_dir() or path.suffix.lower() not in _IGNORED_SUFFIXES)
    )


def _refuse(path: Path, bad: dict[Path, str] | None) -> None:
    """Record a file that is not a clip in `bad`, or raise if there is no `bad`."""
    suffixes = sorted(_ARRAY_SUFFIXES | video.SUFFIXES)
    error = (
        f"{path}: not a clip: a video ({' '.join(suffixes)}) or a folder of pictures "
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
            _refuse(path, bad)
        else:
            clips.append(Clip(path, activity, kind))
    check_one_array_a_name([clip.path for clip in clips])
    return clips


def resized(picture: np.ndarray, size: int) -> np.ndarray:
    """Return a picture resized to a square, by `tacref.kernels.resize.resize`."""
    from tacref.kernels.resize import resize  # imports Numba, which reading features does not need

    return resize(picture, size)
