"""The clips that a command names: one by one, or by their folder."""

from collections.abc import Sequence
from pathlib import Path

import av

from tacref.data.clips import clip_kind
from tacref.data.frames import picture_files
from tacref.data.video import open_video, video_stream


def named_clips(given: Sequence[str], *, least: int = 2) -> tuple[list[Path], bool]:
    """Find the clips that a command names.

    Parameters
    ----------
    given : sequence of str
        Clips, or one folder of them.
    least : int
        How many clips the command needs: 2 for aligning, 1 for what takes them one by one.

    Returns
    -------
    list of Path
        The clips, at least so many.
    bool
        Whether they are those of a folder.

    Raises
    ------
    FileNotFoundError
        If one is not there.
    ValueError
        If there are fewer, or the folder cannot be read.
    """
    for clip in given:
        if not Path(clip).exists():
            raise FileNotFoundError(f"{clip}: no such file or folder")
    paths = [Path(clip) for clip in given]
    if len(paths) > 1:
        return paths, False
    (folder,) = paths
    if not folder.is_dir() or clip_kind(folder) is not None:
        if least == 1:
            return paths, False
        raise ValueError(f"{folder}: is one clip; name two or more, or a folder of them")
    clips = [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and clip_kind(path) is not None
    ]
    if len(clips) < least:
        needs = "aligning needs at least two" if least == 2 else "at least one is needed"
        raise ValueError(f"{folder}: holds {len(clips)} clips; {needs}")
    return clips, True


def expected_frames(path: str | Path) -> int | None:
    """Return about how many frames a clip has, by what it says itself, for a progress bar."""
    path = Path(path)
    if path.is_dir():
        return len(picture_files(path))
    if clip_kind(path) == "features":
        return None
    try:
        with open_video(path) as container:
            stream = video_stream(path, container)
            if stream.frames or not (container.duration and stream.average_rate):
                return stream.frames or None
            return round(container.duration / av.time_base * stream.average_rate)
    except (OSError, ValueError):  # said by whoever reads it
        return None


def clip_names(paths: Sequence[Path]) -> list[str]:
    """Return the clips' names, those that occur more than once with their places."""
    names = [path.resolve().name for path in paths]
    return [name if names.count(name) == 1 else f"{k + 1}: {name}" for k, name in enumerate(names)]
