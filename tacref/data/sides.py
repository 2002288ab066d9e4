"""One side of a pair: frames of a clip, drawn, with their context, and augmented."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tacref.data.augment import augment_pictures, augment_view, stretch_offsets
from tacref.data.cache import ClipCache, ClipIndex
from tacref.data.clips import Clip
from tacref.data.sampling import context_windows, segment_uniform


@dataclass(frozen=True)
class Side:
    """Drawn frames of one clip of a pair.

    Parameters
    ----------
    clip : Clip
        The clip.
    frames : ndarray, shape (M, size, size, 3) of uint8 or (M, F) of float32
        The distinct frames.
    windows : ndarray of int64, shape (N, K)
        Context frames of each drawn frame, as indices into `frames`.
    times : ndarray of int64, shape (N,)
        Number of each drawn frame in the clip.
    length : int
        Frames of the clip.
    """

    clip: Clip
    frames: np.ndarray
    windows: np.ndarray
    times: np.ndarray
    length: int


class SideReader:
    """Draws frames of clips and reads them.

    Parameters
    ----------
    cache : ClipCache
        For decoded clips, if all of them fit.
    offsets : sequence of int
        Context frames relative to each frame.
    frames : int
        Frames N to draw from a clip.
    views : int
        Views of each clip.
    augment : bool
        Whether to augment pictures and, with several views, offsets.
    tolerates_damage : bool
        Whether a clip may be damaged where no frame is drawn.
    """

    def __init__(
        self,
        cache: ClipCache,
        *,
        offsets: Sequence[int],
        frames: int,
        views: int,
        augment: bool,
        tolerates_damage: bool,
    ) -> None:
        self.cache = cache
        self.offsets, self.frames = tuple(offsets), frames
        self.views, self.augment = views, augment
        self._tolerates_damage = tolerates_damage
        self.indices: dict[Path, ClipIndex] = {}
        self._decoded_bytes = 0  # of all clips
        self._damaged: set[Path] = set()

    def use_indices(self, indices: dict[Path, ClipIndex]) -> None:
        """Check clips against these indices, and read single frames if not all clips fit."""
        self.indices = indices
        area = 3 * self.cache.size**2 if self.cache.size else 0
        self._decoded_bytes = sum(
            index.length * (4 * index.width or area) for index in indices.values()
        )

    def read(self, clip: Clip, rng: np.random.Generator) -> list[Side]:
        """Draw and read frames of a clip, one side for each view.

        Raises
        ------
        FileNotFoundError, ValueError
            If the clip cannot be read, or has changed since it was indexed.
        """
        index = self.indices.get(clip.path)
        decoded = self._decoded_clip(clip, index)
        if decoded is not None:
            length = len(decoded)
            if index is not None:
                _check_unchanged(index, length, decoded)
        else:
            assert index is not None
            length = index.length
        times = [segment_uniform(length, self.frames, rng) for _ in range(self.views)]
        context = [context_windows(each, self._draw_offsets(rng), length) for each in times]
        distinct, positions = np.unique(context, return_inverse=True)
        if decoded is not None:
            frames = decoded[distinct]
        else:
            assert index is not None
            try:
                frames = index.read(distinct, self.cache.size)
            except IndexError:  # an array that has fewer frames now
                raise ValueError(
                    f"{clip.path}: has fewer frames than when it was scanned"
                ) from None
            _check_unchanged(index, length, frames)
        sides = []
        for view_times, view in zip(times, positions.reshape(np.shape(context)), strict=True):
            of_view, windows = np.unique(view, return_inverse=True)
            augmented = self._augment(clip, frames[of_view], rng)
            sides.append(Side(clip, augmented, windows.reshape(view.shape), view_times, length))
        return sides

    def _draw_offsets(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the context offsets of each frame of a view, as at another speed, if augmented."""
        offsets = np.asarray(self.offsets)
        if self.views == 1 or not self.augment:
            return offsets
        return stretch_offsets(offsets, self.frames, rng)

    def _augment(self, clip: Clip, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if not self.augment or clip.kind == "features":
            return frames
        return augment_pictures(frames, rng) if self.views == 1 else augment_view(frames, rng)

    def _decoded_clip(self, clip: Clip, index: ClipIndex | None) -> np.ndarray | None:
        """Return all frames of a clip from the cache, or None to read single frames."""
        if index is not None and (
            self._decoded_bytes > self.cache.max_bytes or clip.path in self._damaged
        ):
            return None
        try:
            return self.cache.load(clip.path)
        except (ValueError, OSError):
            if index is None or not self._tolerates_damage:
                raise
            # As without the cache, a clip is bad only where frames are drawn from: what is skipped
            # does not depend on the available memory.
            self._damaged.add(clip.path)
            return None


def _check_unchanged(index: ClipIndex, length: int, frames: np.ndarray) -> None:
    """Refuse a clip whose length or width differs from when it was scanned."""
    if length != index.length or (index.width and frames.shape[1] != index.width):
        raise ValueError(
            f"{index.clip.path}: has changed in the course of training; it had {index.length} "
            "frames" + (f" of {index.width} features" if index.width else "")
        )
