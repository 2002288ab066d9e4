"""Pairs of clips for training, drawn by seed and step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tacref.data.batch import PairBatch, stack_pairs
from tacref.data.cache import MAX_CACHE_BYTES, ClipCache, ClipIndex
from tacref.data.clips import Clip
from tacref.data.feature_cache import ViewFeatures
from tacref.data.feature_sides import FeatureSideReader
from tacref.data.scan import index_clips
from tacref.data.sides import Side, SideReader

ON_BAD_VIDEO = ("fail", "skip")
_MAX_ATTEMPTS = 100  # to draw a pair that can be read


class PairDataset:
    """Pairs of clips of the same activity, the same for the same seed and step.

    The first clip of a pair is drawn uniformly over all clips, the second one over the others of
    its activity. A batch depends only on seed and step, so that several processes can share it and
    a stopped training can go on at any step.

    Parameters
    ----------
    clips : mapping of str to sequence of Clip
        From `find_clips`.
    offsets : sequence of int
        Context frames relative to each frame.
    frames : int
        Frames N to draw from each clip, >= 1.
    pairs : int
        Pairs P per batch, >= 1.
    size : int, optional
        Side to which pictures are resized; needed for pictures.
    seed : int
        Seed of all draws, >= 0.
    augment : bool
        Whether to mirror pictures and change their brightness and contrast, the same for all
        frames of a clip.
    views : int
        Views of each clip, >= 1, each with its own draw of frames and augmentation. With `augment`,
        several views also differ in colors, angle, scale, position and speed.
    cache_bytes : int
        Memory for decoded frames. If all clips fit, each is decoded once; otherwise the frames of a
        batch are read by seeking.
    on_bad_video : {"fail", "skip"}
        Whether a clip that cannot be read is an error, or another pair is drawn instead.

    Attributes
    ----------
    lengths : dict of Path to int
        Frames of each clip; filled by `check`.
    bad : dict of Path to str
        What is wrong with each clip that `check` left out.

    Raises
    ------
    ValueError
        If a number is out of range, or `size` is missing for pictures.
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
        cache_bytes: int = MAX_CACHE_BYTES,
        on_bad_video: str = "fail",
    ) -> None:
        for name, value, minimum in (
            ("frames", frames, 1),
            ("pairs", pairs, 1),
            ("seed", seed, 0),
            ("views", views, 1),
        ):
            if value < minimum:
                raise ValueError(f"{name} must be >= {minimum}, got {value!r}")
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
        self.pairs, self.seed = pairs, seed
        self.frames, self.views = frames, views
        self.on_bad_video = on_bad_video
        self.cache = ClipCache(cache_bytes, size)
        self.bad: dict[Path, str] = {}
        self._offsets, self._augment = tuple(offsets), augment
        self._noise: np.ndarray | None = None
        self._reader: SideReader | FeatureSideReader = SideReader(
            self.cache,
            offsets=offsets,
            frames=frames,
            views=views,
            augment=augment,
            tolerates_damage=on_bad_video == "skip",
        )

    @property
    def clips(self) -> list[Clip]:
        """All clips except those that `check` left out."""
        return [clip for members in self._activities.values() for clip in members]

    @property
    def lengths(self) -> dict[Path, int]:
        """Frames of each clip; empty before `check`."""
        return {path: index.length for path, index in self._reader.indices.items()}

    def check(self, *, progress: bool = False) -> None:
        """Count the frames of every clip, so that missing or cut clips are found before training.

        Videos are not decoded: damage inside one is found when it is read.

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
        results = index_clips(
            self.clips, keep_errors=self.on_bad_video == "skip", progress=progress
        )
        outcomes = dict(zip([clip.path for clip in self.clips], results, strict=True))
        self._leave_out({p: each for p, each in outcomes.items() if isinstance(each, str)})
        indices = {p: each for p, each in outcomes.items() if isinstance(each, ClipIndex)}
        first = next(iter(indices.values()))
        for other in indices.values():
            if other.width != first.width:
                raise ValueError(
                    f"{other.clip.path}: has {other.width} features a frame, but "
                    f"{first.clip.name} has {first.width}"
                )
        assert isinstance(self._reader, SideReader)
        self._reader.use_indices(indices)

    def use_features(self, features: ViewFeatures, bad: Mapping[Path, str]) -> None:
        """Draw features from now on instead of pictures, after `check`.

        Parameters
        ----------
        features : ViewFeatures
            Of all clips except the bad ones.
        bad : mapping of Path to str
            What is wrong with each clip to leave out.

        Raises
        ------
        ValueError
            If fewer than two clips of an activity are left.
        """
        self._leave_out(bad)
        indices = self._reader.indices
        self._reader = FeatureSideReader(
            features,
            {clip.path: indices[clip.path] for clip in self.clips},
            offsets=self._offsets,
            frames=self.frames,
            views=self.views,
            augment=self._augment,
        )

    def use_noise(self, deviations: np.ndarray) -> None:
        """Add noise to features from now on.

        Parameters
        ----------
        deviations : ndarray of float32, shape (F,)
            Standard deviation of the noise for each feature; where all are 0, none is added.
        """
        self._noise = deviations if deviations.any() else None

    def _leave_out(self, bad: Mapping[Path, str]) -> None:
        for members in self._activities.values():
            for clip in [clip for clip in members if clip.path in bad]:
                self.bad[clip.path] = bad[clip.path]
                members.remove(clip)
            if len(members) < 2:
                raise ValueError(
                    f"fewer than two clips of an activity can be read: "
                    f"{next(iter(self.bad.values()))}"
                )

    @property
    def features(self) -> ViewFeatures | None:
        """The features that are drawn instead of frames, if there are any."""
        return self._reader.features if isinstance(self._reader, FeatureSideReader) else None

    @property
    def reads_pictures(self) -> bool:
        """True if frames are drawn that are pictures."""
        return self.features is None and any(clip.kind != "features" for clip in self.clips)

    @property
    def short_clips(self) -> list[Path]:
        """Clips with fewer frames than are drawn, so that some are drawn several times."""
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
            Number of this process, and of processes; they have equal shares of the pairs.
        part, parts : int
            Number of a part, and of equal parts, of the share of this process.

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
        pairs = [self._read_pair(step, slot, skipped) for slot in range(first, first + share)]
        return stack_pairs(pairs, skipped)

    def _read_pair(self, step: int, slot: int, skipped: list[str]) -> list[tuple[Side, Side]]:
        """Draw and read one pair; its frames depend only on seed, step and slot."""
        for attempt in range(_MAX_ATTEMPTS):
            rng = np.random.default_rng([self.seed, step, slot, attempt])
            try:
                x, y = (self._read(clip, rng) for clip in self._draw_pair(rng))
                return list(zip(x, y, strict=True))
            except (ValueError, OSError) as error:
                if self.on_bad_video == "fail":
                    raise
                skipped.append(str(error))
        raise ValueError(f"no pair of clips can be read; the last time: {skipped[-1]}")

    def _read(self, clip: Clip, rng: np.random.Generator) -> list[Side]:
        """Draw and read the views of a clip, with noise if there is any."""
        sides, deviations = self._reader.read(clip, rng), self._noise
        if deviations is None:
            return sides

        def add_noise(frames: np.ndarray) -> np.ndarray:
            noisy: np.ndarray = frames + deviations * rng.standard_normal(frames.shape, np.float32)
            return noisy

        return [replace(side, frames=add_noise(side.frames)) for side in sides]

    def _draw_pair(self, rng: np.random.Generator) -> tuple[Clip, Clip]:
        number = int(rng.integers(sum(map(len, self._activities.values()))))
        for members in self._activities.values():
            if number < len(members):
                break
            number -= len(members)
        second = int(rng.integers(len(members) - 1))
        return members[number], members[second + (second >= number)]
