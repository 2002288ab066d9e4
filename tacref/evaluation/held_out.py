"""Refusing to score on training data: the same folder, or files with the same content."""

from pathlib import Path

from tacref.data.copies import find_copies

TRAIN_SPLIT = "train"


def check_split(data: str | Path, split: str, run_data: str | Path | None = None) -> None:
    """Refuse a split that is the training split, or shares a clip with it.

    Clips are compared byte by byte, wherever they are and whatever they are called. Only clips of
    the same size as a training clip are read.

    Parameters
    ----------
    data : str or Path
        The data set's folder.
    split : str
        The split to score.
    run_data : str or Path, optional
        The data set that the encoder was trained on, if that is known; ignored if it is gone.

    Raises
    ------
    ValueError
        If the split is training data; names the clips.
    """
    folder = Path(data) / split
    trained_on = {(Path(data) / TRAIN_SPLIT).resolve()}
    if run_data is not None:
        trained_on.add((Path(run_data) / TRAIN_SPLIT).resolve())
    if folder.resolve() in trained_on:
        raise ValueError(
            f"{folder}: is training data; a score on it says nothing about other videos "
            "(--split names another split)"
        )
    others = [clip for trained in sorted(trained_on) for clip in _clips(trained)]
    for clip, other in find_copies(_clips(folder), others):
        raise ValueError(
            f"{clip}: holds the same as the training clip {other}; training data is not scored"
        )


def _clips(folder: Path) -> list[Path]:
    from tacref.data.clips import clip_kind

    if not folder.is_dir():
        return []
    clips = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if clip_kind(entry) is not None:
            clips.append(entry)
        elif entry.is_dir():
            clips.extend(_clips(entry))
    return clips
