"""Pairs of clips for training: drawn, sampled, augmented, and stacked into batches."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tacref.data.clips import Clip, load_clip
from tacref.data.sampling import context_windows, segment_uniform

CACHE_BYTES = 2 << 30


class ClipCache:
    """Decoded clips, the least recently used ones dropped to stay within a bound.

    Parameters
    ----------
    max_bytes : int
        Bound on the frames that are kept. A clip larger than that is decoded each time.
    size : int, optional
        Side to which pictures are resized, as in `load_clip`.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES, size: int | None = None) -> None:
        self.max_bytes, self.size = max_bytes, size
        self.bytes = 0
        self._frames: OrderedDict[Path, np.ndarray] = OrderedDict()

    def load(self, path: Path) -> np.ndarray:
        """Return a clip's frames, read-only: `(T, size, size, 3)` uint8 or `(T, F)` float32."""
        if path in self._frames:
            self._frames.move_to_end(path)
            return self._frames[path]
        frames = load_clip(path, self.size).frames
        frames.flags.writeable = False
        if frames.nbytes <= self.max_bytes:
            self._frames[path] = frames
            self.bytes += frames.nbytes
            while self.bytes > self.max_bytes:
                self.bytes -= self._frames.popitem(last=False)[1].nbytes
        return frames


@dataclass(frozen=True)
class PairBatch:
    """Sampled frames of P pairs of clips; axis 0 of the other arrays is the side, x or y.

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
        Paths of each pair's clips.
    """

    frames: np.ndarray
    windows: np.ndarray
    times: np.ndarray
    lengths: np.ndarray
    names: list[tuple[str, str]]


class PairDataset:
    """Pairs of clips of the same activity, the same for the same seed and step.

    The first clip of a pair is drawn uniformly over all clips, the second one over the others of
    its activity.

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
    cache_bytes : int
        Bound on decoded frames that are kept.

    Attributes
    ----------
    lengths : dict of Path to int
        Frames of each clip; filled by `check`.

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
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        for name, value, least in (("frames", frames, 1), ("pairs", pairs, 1), ("seed", seed, 0)):
            if value < least:
                raise ValueError(f"{name} must be >= {least}, got {value!r}")
        if not clips:
            raise ValueError("clips must not be empty")
        for activity, members in clips.items():
            if len(members) < 2:
                raise ValueError(f"clips[{activity!r}] must hold at least two, got {len(members)}")
        self.clips = [clip for members in clips.values() for clip in members]
        self._pool = [
            (members, first) for members in clips.values() for first in range(len(members))
        ]
        if size is None and any(clip.kind != "features" for clip in self.clips):
            raise ValueError("size must be given for clips of pictures")
        self.offsets, self.frames, self.pairs = tuple(offsets), frames, pairs
        self.seed, self.augment = seed, augment
        self.cache = ClipCache(cache_bytes, size)
        self.lengths: dict[Path, int] = {}

    def check(self, *, progress: bool = False) -> None:
        """Decode every clip once, so that a damaged one is found before training.

        Parameters
        ----------
        progress : bool
            Show a progress bar (on a terminal only).

        Raises
        ------
        ValueError
            If a clip is damaged, or feature arrays differ in their number of features.
        """
        from tqdm import tqdm

        width: int | None = None
        disable = None if progress else True
        for clip in tqdm(self.clips, desc="decode", unit=" clips", disable=disable):
            frames = self.cache.load(clip.path)
            self.lengths[clip.path] = len(frames)
            if clip.kind == "features":
                width = width or frames.shape[1]
                if frames.shape[1] != width:
                    raise ValueError(
                        f"{clip.path}: has {frames.shape[1]} features a frame, but "
                        f"{self.clips[0].name} has {width}"
                    )

    @property
    def short_clips(self) -> list[Path]:
        """Clips with fewer frames than are drawn, which are sampled with repeats."""
        return [path for path, length in self.lengths.items() if length < self.frames]

    def batch(self, step: int) -> PairBatch:
        """Draw the batch of a step.

        Parameters
        ----------
        step : int
            Number of the batch, >= 0. The same step gives the same batch, in any order of calls.

        Raises
        ------
        ValueError
            If `step` is not >= 0.
        """
        if step < 0:
            raise ValueError(f"step must be >= 0, got {step!r}")
        rng = np.random.default_rng([self.seed, step])
        pictures, windows, times, lengths, names = [], [], [], [], []
        start = 0
        for pair in [self._draw_pair(rng) for _ in range(self.pairs)]:
            names.append((str(pair[0].path), str(pair[1].path)))
            for clip in pair:
                whole = self.cache.load(clip.path)
                sampled = segment_uniform(len(whole), self.frames, rng)
                context = context_windows(sampled, self.offsets, len(whole))  # (N, K)
                distinct, positions = np.unique(context, return_inverse=True)
                frames = whole[distinct]
                if self.augment and clip.kind != "features":
                    frames = augment_pictures(frames, rng)
                pictures.append(frames)
                windows.append(positions.reshape(context.shape) + start)
                times.append(sampled)
                lengths.append(len(whole))
                start += len(distinct)

        def by_side(rows: list) -> np.ndarray:
            array = np.asarray(rows, dtype=np.int64)  # (2 P, ...), x and y in turn
            return np.ascontiguousarray(
                array.reshape(self.pairs, 2, *array.shape[1:]).swapaxes(0, 1)
            )

        return PairBatch(
            np.concatenate(pictures), by_side(windows), by_side(times), by_side(lengths), names
        )

    def _draw_pair(self, rng: np.random.Generator) -> tuple[Clip, Clip]:
        members, first = self._pool[rng.integers(len(self._pool))]
        second = int(rng.integers(len(members) - 1))
        return members[first], members[second + (second >= first)]


def augment_pictures(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror (half the time) and change brightness and contrast, all frames alike.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W, 3)
        Pictures of one clip. Not modified.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray of uint8, shape (T, H, W, 3)
        Brightness changed by up to 20 % of full scale, contrast by a factor of 0.8 to 1.25.
    """
    mirrored = rng.random() < 0.5
    shift = rng.uniform(-51, 51)
    factor = 1.25 ** rng.uniform(-1, 1)
    levels = np.clip((np.arange(256) - 127.5) * factor + 127.5 + shift, 0, 255)
    pictures = levels.round().astype(np.uint8)[frames]
    return pictures[:, :, ::-1] if mirrored else pictures
