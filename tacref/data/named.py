"""The clips named on a command line: one by one, or by their folder."""

from collections.abc import Sequence
from pathlib import Path

import av

from tacref.data.arrays import archived_names, is_archive
from tacref.data.clips import check_one_array_a_name, clip_kind
from tacref.data.frames import picture_files
from tacref.data.video import open_video, video_stream


def named_clips(names: Sequence[str], *, min_clips: int = 2) -> tuple[list[Path], bool]:
    """Find the clips named on a command line.

    Parameters
    ----------
    names : sequence of str
        Clips, or one folder of them.
    min_clips : int
        Number of clips that the command needs: 2 to align them, 1 to process them one by one.

    Returns
    -------
    list of Path
        The clips, at least `min_clips`.
    bool
        Whether they are the clips of a folder.

    Raises
    ------
    FileNotFoundError
        If one is missing.
    ValueError
        If there are fewer, the folder cannot be read, or it holds NAME.npy and NAME.npz.
    """
    for clip in names:
        if not Path(clip).exists():
            raise FileNotFoundError(f"{clip}: no such file or folder")
    paths = [Path(clip) for clip in names]
    if len(paths) > 1:
        for path in paths:
            if path.is_dir() and clip_kind(path) is None:
                raise ValueError(f"{path}: not a clip; a folder of clips must be named alone")
        return paths, False
    (folder,) = paths
    if not folder.is_dir() or clip_kind(folder) is not None:
        if min_clips == 1:
            return paths, False
        raise ValueError(f"{folder}: is one clip; name two or more, or a folder of them")
    clips = [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
        and clip_kind(path) is not None
        and not _holds_embeddings(path)
    ]
    check_one_array_a_name(clips)
    if len(clips) < min_clips:
        needs = "aligning needs at least two" if min_clips == 2 else "at least one is needed"
        raise ValueError(f"{folder}: holds {len(clips)} clips; {needs}")
    return clips, True


def _holds_embeddings(path: Path) -> bool:
    """Return whether a file is what `tacref embed` writes, perhaps next to the clips."""
    try:
        return is_archive(path) and "embeddings" in archived_names(path)
    except ValueError:  # reported when it is read
        return False


def expected_frames(path: str | Path) -> int | None:
    """Return about how many frames a clip has, as its file states, for a progress bar."""
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
    except (OSError, ValueError):  # reported when it is read
        return None


def clip_names(paths: Sequence[Path]) -> list[str]:
    """Return the names of clips; names that occur more than once begin with the clip's number."""
    names = [path.resolve().name for path in paths]
    return [name if names.count(name) == 1 else f"{k + 1}: {name}" for k, name in enumerate(names)]
