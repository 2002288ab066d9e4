"""Which clip a row of a label file means."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=str | Path)


class LabeledClips(Generic[Key]):
    """Finds the clips that a label file names.

    Parameters
    ----------
    file : Path
        The label file.
    clips : sequence of str or Path
        Paths of the clips that labels are wanted for.
    reference : str or Path, optional
        The one of them that a file without names is about if none is called like the file.
    """

    def __init__(self, file: Path, clips: Sequence[Key], reference: Key | None = None) -> None:
        self._file, self._reference = file, reference
        self._resolved = {clip: Path(clip).resolve() for clip in clips}
        self._known: dict[str | None, list[Key]] = {}

    def of(self, video: str | None, line: int) -> list[Key]:
        """Return the clip that a row means: none, or one (or more, that are the same file).

        Parameters
        ----------
        video : str or None
            A path, from the label file's folder, with slashes; or a bare name, of the clip in that
            folder or else of the only clip of that name. None if the format names no clip.
        line : int
            Line of the row.

        Raises
        ------
        ValueError
            If the name may mean several clips, or there is none and nothing says which clip is
            meant.
        """
        if video not in self._known:
            self._known[video] = self._like_file() if video is None else self._named(video, line)
        return self._known[video]

    def _named(self, video: str, line: int) -> list[Key]:
        clips = self._at(video)
        if clips or "/" in video:
            return clips
        clips = [
            clip for clip, path in self._resolved.items() if video in (Path(clip).name, path.name)
        ]
        if self._several(clips):
            raise ValueError(
                f"{self._file}: line {line}: {video!r} may be {clips[0]} or {clips[1]}; write its "
                f"path from this file's folder, such as {self._path_from_file(clips[0])!r}"
            )
        return clips

    def _at(self, video: str) -> list[Key]:
        path = self._file.parent / video
        # As it is written first: several links may lead to one file, each with labels of its own.
        written = os.path.abspath(path)
        clips = [clip for clip in self._resolved if os.path.abspath(Path(clip)) == written]
        if clips or "\0" in video:  # which no path can hold
            return clips
        resolved = path.resolve()
        return [clip for clip, other in self._resolved.items() if other == resolved]

    def _like_file(self) -> list[Key]:
        """Return the clip that is called like the label file, or the reference."""
        stem = self._file.stem
        clips = [
            clip
            for clip, path in self._resolved.items()
            if stem
            in (Path(clip).stem, Path(clip).name, path.stem, path.name, name_in_folder(path))
        ]
        folder = self._file.parent.resolve()
        near = [clip for clip in clips if self._resolved[clip].parent == folder]
        clips = near or clips
        if self._several(clips):
            raise ValueError(
                f"{self._file}: may be of {clips[0]} or {clips[1]}; put it next to its clip, with "
                "the clip's whole name before the suffix"
            )
        if not clips and self._reference is None:
            first = Path(next(iter(self._resolved)))
            raise ValueError(
                f"{self._file}: names no clip, and none is called like it; call it like its clip, "
                f"such as {first.stem}{self._file.suffix}"
            )
        return clips or [clip for clip in (self._reference,) if clip is not None]

    def _several(self, clips: Sequence[Key]) -> bool:
        return len({self._resolved[clip] for clip in clips}) > 1

    def _path_from_file(self, clip: Key) -> str:
        return path_from(self._file.parent, self._resolved[clip])


def name_in_folder(clip: Path) -> str:
    """Return what a clip's label file is called where others have its name: `folder.name`."""
    return f"{clip.parent.name}.{clip.name}"


def path_from(folder: Path, clip: Path) -> str:
    """Return the path from a folder to a clip as label files have it: with slashes, never bare."""
    path = Path(os.path.relpath(clip.resolve(), folder.resolve())).as_posix()
    return path if "/" in path else f"./{path}"
