"""Pairs of clips for training: drawn, sampled, augmented, and stacked into batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tacref.data.augment import augment_pictures, change_view, stretch_offsets
from tacref.data.cache import CACHE_BYTES, ClipCache, ClipIndex
from tacref.data.clips import Clip
from tacref.data.sampling import context_windows, segment_uniform
from tacref.data.scan import index_clips

ON_BAD_VIDEO = ("fail", "skip")
_ATTEMPTS = 100  # to draw a pair that can be read


@dataclass(frozen=True)
class PairBatch:
    """Sampled frames of P pairs of clips; axis 0 of the other arrays is the side, x or y.

    With V views of each clip, P is V times as large: the first view of all pairs comes first.

    Parameters
    ----------
    frames : ndarray, shape (M, size, size, 3) of uint8 or (M, F) of float32
        The distinct frames, so that each goes through a backbone once.
    windows : ndarray of int64, shape (2, P, N, K)
        Context frames of each sampled frame, as indices into `frames`.
    times : ndarray of int64, shape (2, P, N)
        Number of each sampled frame in its clip.
    lengths : ndarray of int64, shape (2, P)
        Frames of each clip.
    names : list of (str, str)
        Paths of each pair's clips, said once for all views.
    skipped : list of str
        What was wrong with each clip that could not be read, so that another pair was drawn.
    """

    frames: np.ndarray
    windows: np.ndarray
    times: np.ndarray
    lengths: np.ndarray
    names: list[tuple[str, str]]
    skipped: list[str] = field(default_factory=list)


class PairDataset:
    """Pairs of clips of the same activity, the same for the same seed and step.

    The first clip of a pair is drawn uniformly over all clips, the second one over the others of
    its activity. A batch is a function of seed and step alone, so that processes may share it out
    and a stopped training may go on at any step.

    Parameters
    ----------
    clips : mapping of str to sequence of Clip
        From `find_clips`.
    offsets : sequence of int
        Context frames relative to each frame.
    frames : int
        Frames N drawn a clip, >= 1.
    pairs : int
        Pairs P a batch, >= 1.
    size : int, optional
        Side to which pictures are resized; needed for pictures.
    seed : int
        Of everything that is drawn.
    augment : bool
        Flip pictures and change their brightness and contrast, each the same for a whole clip.
    views : int
        Views of each clip, >= 1, each with frames drawn and augmented in its own way. With
        `augment`, more than one also differ in colors, angle, scale, place and speed.
    cache_bytes : int
        Bound on decoded frames that are kept. If all clips fit, they are decoded once; if not,
        the frames of a batch are read by seeking.
    on_bad_video : {"fail", "skip"}
        Whether a clip that cannot be read is an error, or another pair is drawn.

    Attributes
    ----------
    lengths : dict of Path to int
        Frames of each clip; filled by `check`.
    bad : dict of Path to str
        What is wrong with each clip that `check` left out.

    Raises
    ------
    ValueError
        If a number is out of range, or pictures come without `size`.
    """

    def __init__(
        self,
        clips: Mapping[str, Sequence[Clip]],
        *,
        offsets: Sequence[int],
        frames: int = 20,
        pairs: int = 4,
        size: int | None = None,
        seed: int = 0,
        augment: bool = True,
        views: int = 1,
        cache_bytes: int = CACHE_BYTES,
        on_bad_video: str = "fail",
    ) -> None:
        for name, value, least in (
            ("frames", frames, 1),
            ("pairs", pairs, 1),
            ("seed", seed, 0),
            ("views", views, 1),
        ):
            if value < least:
                raise ValueError(f"{name} must be >= {least}, got {value!r}")
        if not clips:
            raise ValueError("clips must not be empty")
        for activity, members in clips.items():
            if len(members) < 2:
                raise ValueError(f"clips[{activity!r}] must hold at least two, got {len(members)}")
        if on_bad_video not in ON_BAD_VIDEO:
            raise ValueError(f"on_bad_video must be fail or skip, got {on_bad_video!r}")
        self._activities = {name: list(members) for name, members in clips.items()}
        if size is None and any(clip.kind != "features" for clip in self.clips):
            raise ValueError("size must be given for clips of pictures")
        self.offsets, self.frames, self.pairs = tuple(offsets), frames, pairs
        self.seed, self.augment, self.size = seed, augment, size
        self.views = views
        self.on_bad_video = on_bad_video
        self.cache = ClipCache(cache_bytes, size)
        self._indices: dict[Path, ClipIndex] = {}
        self._bytes = 0  # of all clips, decoded
        self.bad: dict[Path, str] = {}
        self._damaged: set[Path] = set()

    @property
    def clips(self) -> list[Clip]:
        """All clips, without those that `check` left out."""
        return [clip for members in self._activities.values() for clip in members]

    @property
    def lengths(self) -> dict[Path, int]:
        """Frames of each clip; empty before `check`."""
        return {path: index.length for path, index in self._indices.items()}

    def check(self, *, progress: bool = False) -> None:
        """Count every clip's frames, so that a missing or cut clip is found before training.

        Videos are not decoded for it: damage within one is found when it is read.

        Parameters
        ----------
        progress : bool
            Show a progress bar (on a terminal only).

        Raises
        ------
        ValueError
            If a clip is damaged and `on_bad_video` is "fail", fewer than two clips of an activity
            are left, or feature arrays differ in their number of features.
        """
        found = index_clips(self.clips, keep_errors=self.on_bad_video == "skip", progress=progress)
        for clip, result in zip(self.clips, found, strict=True):
            if isinstance(result, str):
                self.bad[clip.path] = result
                self._activities[clip.activity].remove(clip)
            else:
                self._indices[clip.path] = result
        for members in self._activities.values():
            if len(members) < 2:
                raise ValueError(
                    f"fewer than two clips of an activity can be read: "
                    f"{next(iter(self.bad.values()))}"
                )
        first = next(iter(self._indices.values()))
        for other in self._indices.values():
            if other.width != first.width:
                raise ValueError(
                    f"{other.clip.path}: has {other.width} features a frame, but "
                    f"{first.clip.name} has {first.width}"
                )

        area = 3 * self.size**2 if self.size else 0
        self._bytes = sum(each.length * (4 * each.width or area) for each in self._indices.values())

    @property
    def short_clips(self) -> list[Path]:
        """Clips with fewer frames than are drawn, which are sampled with repeats."""
        return [path for path, length in self.lengths.items() if length < self.frames]

    def batch(
        self, step: int, *, rank: int = 0, world: int = 1, part: int = 0, parts: int = 1
    ) -> PairBatch:
        """Draw the batch of a step, or a share of it.

        Parameters
        ----------
        step : int
            Number of the batch, >= 0. The same step gives the same batch, in any order of calls.
        rank, world : int
            This process and the number of processes, which have equal shares of the pairs.
        part, parts : int
            Which of the equal parts of the process's share.

        Raises
        ------
        ValueError
            If `step` is not >= 0, the pairs cannot be shared equally, or a clip cannot be read
            and `on_bad_video` is "fail".
        """
        if step < 0:
            raise ValueError(f"step must be >= 0, got {step!r}")
        share = self.pairs // (world * parts)
        if share * world * parts != self.pairs:
            raise ValueError(
                f"pairs must be a multiple of {world} processes x {parts} parts, got {self.pairs}"
            )
        first = (rank * parts + part) * share
        skipped: list[str] = []
        read = [self._read_pair(step, slot, skipped) for slot in range(first, first + share)]
        sides = [side for view in zip(*read, strict=True) for pair in view for side in pair]
        starts = np.cumsum([0, *(len(side.frames) for side in sides)])

        def by_side(rows: list) -> np.ndarray:
            array = np.asarray(rows, dtype=np.int64)  # (2 P, ...), x and y in turn
            return np.ascontiguousarray(array.reshape(-1, 2, *array.shape[1:]).swapaxes(0, 1))

        names = [str(side.clip.path) for side in sides[: 2 * share]]
        return PairBatch(
            np.concatenate([side.frames for side in sides]),
            by_side([side.windows + start for side, start in zip(sides, starts, strict=False)]),
            by_side([side.times for side in sides]),
            by_side([side.length for side in sides]),
            list(zip(names[::2], names[1::2], strict=True)),
            skipped,
        )

    def _read_pair(self, step: int, slot: int, skipped: list[str]) -> list[tuple["_Side", "_Side"]]:
        """Draw and read one pair, its frames a function of seed, step and slot alone."""
        for attempt in range(_ATTEMPTS):
            rng = np.random.default_rng([self.seed, step, slot, attempt])
            try:
                x, y = (self._read_side(clip, rng) for clip in self._draw_pair(rng))
                return list(zip(x, y, strict=True))
            except (ValueError, OSError) as error:
                if self.on_bad_video == "fail":
                    raise
                skipped.append(str(error))
        raise ValueError(f"no pair of clips can be read; the last time: {skipped[-1]}")

    def _read_side(self, clip: Clip, rng: np.random.Generator) -> list["_Side"]:
        index = self._indices.get(clip.path)
        whole = self._whole(clip, index)
        if whole is not None:
            length = len(whole)
            if index is not None:
                _check_unchanged(index, length, whole)
        else:
            assert index is not None
            length = index.length
        times = [segment_uniform(length, self.frames, rng) for _ in range(self.views)]
        context = [context_windows(each, self._offsets(rng), length) for each in times]  # (N, K)
        distinct, positions = np.unique(context, return_inverse=True)
        if whole is not None:
            frames = whole[distinct]
        else:
            assert index is not None
            try:
                frames = index.read(distinct, self.size)
            except IndexError:  # an array that has fewer frames now
                raise ValueError(
                    f"{clip.path}: has fewer frames than when it was scanned"
                ) from None
            _check_unchanged(index, length, frames)
        sides = []
        for own_times, seen in zip(times, positions.reshape(np.shape(context)), strict=True):
            own, windows = np.unique(seen, return_inverse=True)
            pictures = self._look(clip, frames[own], rng)
            sides.append(_Side(clip, pictures, windows.reshape(seen.shape), own_times, length))
        return sides

    def _offsets(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the context offsets of each frame of a view, as at another speed; or leave them."""
        offsets = np.asarray(self.offsets)
        if self.views == 1 or not self.augment:
            return offsets
        return stretch_offsets(offsets, self.frames, rng)

    def _look(self, clip: Clip, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if not self.augment or clip.kind == "features":
            return frames
        frames = augment_pictures(frames, rng)
        return frames if self.views == 1 else change_view(frames, rng)

    def _whole(self, clip: Clip, index: ClipIndex | None) -> np.ndarray | None:
        """Return all frames of a clip if it is kept, None if those that are drawn are read."""
        if index is not None and (self._bytes > self.cache.max_bytes or clip.path in self._damaged):
            return None
        try:
            return self.cache.load(clip.path)
        except (ValueError, OSError):
            if index is None or self.on_bad_video == "fail":
                raise
            # As where clips are not kept, a clip is bad only where it is drawn from: what is
            # skipped does not depend on the memory there is.
            self._damaged.add(clip.path)
            return None

    def _draw_pair(self, rng: np.random.Generator) -> tuple[Clip, Clip]:
        number = int(rng.integers(sum(map(len, self._activities.values()))))
        for members in self._activities.values():
            if number < len(members):
                break
            number -= len(members)
        second = int(rng.integers(len(members) - 1))
        return members[number], members[second + (second >= number)]


@dataclass(frozen=True)
class _Side:
    """The sampled frames of one clip of a pair; windows are indices into its own frames."""

    clip: Clip
    frames: np.ndarray
    windows: np.ndarray
    times: np.ndarray
    length: int


def _check_unchanged(index: ClipIndex, length: int, frames: np.ndarray) -> None:
    """Refuse a clip of another length or width than it had when it was scanned."""
    if length != index.length or (index.width and frames.shape[1] != index.width):
        raise ValueError(
            f"{index.clip.path}: has changed in the course of training; it had {index.length} "
            "frames" + (f" of {index.width} features" if index.width else "")
        )
