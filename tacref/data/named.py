"""The clips that a command names: one by one, or by their folder."""

from collections.abc import Sequence
from pathlib import Path

from tacref.data.clips import clip_kind


def named_clips(given: Sequence[str]) -> tuple[list[Path], bool]:
    """Find the clips that a command names.

    Parameters
    ----------
    given : sequence of str
        Clips, or one folder of them.

    Returns
    -------
    list of Path
        The clips, two or more of a folder.
    bool
        Whether they are those of a folder.

    Raises
    ------
    FileNotFoundError
        If one is not there.
    ValueError
        If a single one is not a folder of two clips or more.
    """
    for clip in given:
        if not Path(clip).exists():
            raise FileNotFoundError(f"{clip}: no such file or folder")
    paths = [Path(clip) for clip in given]
    if len(paths) > 1:
        return paths, False
    (folder,) = paths
    if not folder.is_dir() or clip_kind(folder) is not None:
        raise ValueError(f"{folder}: is one clip; name two or more, or a folder of them")
    clips = [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and clip_kind(path) is not None
    ]
    if len(clips) < 2:
        raise ValueError(f"{folder}: holds {len(clips)} clips; aligning needs at least two")
    return clips, True


def clip_names(paths: Sequence[Path]) -> list[str]:
    """Return the clips' names, those that occur more than once with their places."""
    names = [path.resolve().name for path in paths]
    return [name if names.count(name) == 1 else f"{k + 1}: {name}" for k, name in enumerate(names)]
