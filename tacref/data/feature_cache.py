"""Features on disk, one array a clip and view, which other runs of any process use again."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tacref.data.cells import WHOLE, CellGrid, Crop
from tacref.files import replacing

# Part of every key: another number, where frames are decoded or arrays are stored in another way.
_VERSION = 2
_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


class FeatureCache:
    """A folder of arrays under keys that say all that they were computed from.

    A file is written whole or not at all, and never changed, so several processes can use the
    folder at once; two that compute the same array at the same time write it twice.

    Parameters
    ----------
    folder : str or Path
        Made if necessary.
    max_bytes : int
        Bound on all files; those that were not used for the longest time go first.
    """

    def __init__(self, folder: str | Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = Path(folder), max_bytes

    def path(self, clip_digest: str, **what: Any) -> Path:
        """Return where the features of a clip are, or will be.

        Parameters
        ----------
        clip_digest : str
            From `clip_digest`.
        **what
            JSON values: all that the features depend on in addition to the clip.
        """
        key = json.dumps({"version": _VERSION, "clip": clip_digest, **what}, sort_keys=True)
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.npy"

    def holds(self, path: Path, width: int) -> bool:
        """Return whether the features at `path` are there and whole, and note that they are used.

        A damaged file, or one of another width, counts as missing.
        """
        try:
            rows = open_features(path)
            with suppress(OSError):  # a folder that can only be read
                os.utime(path)
        except (OSError, ValueError):
            return False
        return rows.shape[1] == width

    def write(self, path: Path, rows: np.ndarray) -> None:
        """Write features `(T, F)`, as float16 unless one is too large for it."""
        largest = float(np.abs(rows).max())
        stored = rows.astype(np.float16 if largest <= _LARGEST_FLOAT16 else np.float32)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, stored, allow_pickle=False)

    def make_room(self, keep: set[Path]) -> None:
        """Remove files that were not used for the longest time, but none of `keep`."""
        files = []
        for path in self.folder.glob("??/*.npy"):
            with suppress(OSError):  # another process removed it
                state = path.stat()
                files.append((state.st_mtime, state.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self.max_bytes:
                return
            if path not in keep:
                with suppress(OSError):
                    path.unlink()
                total -= size


class ViewFeatures:
    """The features of several views of each clip, read from disk as they are needed.

    Parameters
    ----------
    files : mapping of Path to list of Path
        For each clip, the file of each of its views; view 0 is the clip unchanged.
    grid : CellGrid
        The cells that are kept in the files, and those to average over.
    """

    def __init__(self, files: Mapping[Path, list[Path]], grid: CellGrid) -> None:
        self.files, self.grid = dict(files), grid
        self._rows: dict[Path, np.ndarray] = {}

    def views(self, clip: Path) -> int:
        """Return the number of views of a clip."""
        return len(self.files[clip])

    def load(
        self, clip: Path, view: int, *, frames: np.ndarray | None = None, crop: Crop = WHOLE
    ) -> np.ndarray:
        """Return the features of a view, float32 `(T, F)`.

        Parameters
        ----------
        clip : Path
            A clip.
        view : int
            Which of its views.
        frames : ndarray of int, optional
            The frames to load; by default all.
        crop : Crop
            The part of the pictures that the cells share.

        Raises
        ------
        ValueError
            If they have been removed since, or cannot be read.
        """
        path = self.files[clip][view]
        if path not in self._rows:
            try:
                self._rows[path] = open_features(path)
            except (OSError, ValueError) as error:
                raise ValueError(
                    f"{path}: the features of {clip} cannot be read ({error}); they are computed "
                    "again when the run is continued"
                ) from None
        rows = self._rows[path]
        return self.grid.average(rows if frames is None else rows[frames], crop)

    def __reduce__(self) -> tuple[type["ViewFeatures"], tuple[dict[Path, list[Path]], CellGrid]]:
        """Pickle the paths alone, not the features."""
        return ViewFeatures, (self.files, self.grid)


def open_features(path: Path) -> np.ndarray:
    """Map features into memory, read-only.

    Raises
    ------
    FileNotFoundError, ValueError
        If there are none, or the file is damaged.
    """
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except EOFError:
        raise ValueError(f"{path}: empty") from None
    if rows.ndim != 2 or rows.dtype not in (np.float16, np.float32):
        raise ValueError(f"{path}: holds {rows.dtype} of shape {rows.shape}")
    return rows


def clip_digest(clip: Path) -> str:
    """Return the SHA-256 of a clip: of a file's content, or of the names and contents of frames."""
    digest = hashlib.sha256()
    if not clip.is_dir():
        with clip.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    for path in sorted(clip.iterdir()):
        if path.is_file():
            digest.update(path.name.encode(errors="surrogateescape") + b"\0")
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
