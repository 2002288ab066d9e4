"""Frames of clips: whole clips in a cache, or single frames of clips that are too long for it."""

from collections import OrderedDict
from pathlib import Path

import numpy as np

from tacref.data.clips import Clip, clip_kind, load_clip, resized
from tacref.data.features import feature_shape, load_features
from tacref.data.frames import picture_files, read_pictures
from tacref.data.index import VideoIndex, index_video
from tacref.data.seek import read_frames

MAX_CACHE_BYTES = 2 << 30


class ClipCache:
    """Decoded clips; the least recently used ones are dropped to stay within a bound.

    Parameters
    ----------
    max_bytes : int
        Bound on the decoded frames. A larger clip is not cached.
    size : int, optional
        Side in pixels to which pictures are resized, as in `load_clip`.
    """

    def __init__(self, max_bytes: int = MAX_CACHE_BYTES, size: int | None = None) -> None:
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

    def __reduce__(self) -> tuple[type["ClipCache"], tuple[int, int | None]]:
        """Pickle an empty cache, so that another process does not get a copy of all clips."""
        return ClipCache, (self.max_bytes, self.size)

    def clear(self) -> None:
        """Forget all clips."""
        self._frames.clear()
        self.bytes = 0


class ClipIndex:
    """The number of frames of a clip, and a way to read some of them.

    Parameters
    ----------
    clip : Clip
        The clip. A video is indexed, pictures are counted, an array of features is read.

    Attributes
    ----------
    length : int
        Number of frames.
    width : int
        Features per frame; 0 for pictures.

    Raises
    ------
    FileNotFoundError, ValueError
        If the clip is missing or damaged, as far as that shows without decoding it.
    """

    def __init__(self, clip: Clip) -> None:
        self.clip, self.width = clip, 0
        self.video: VideoIndex | None = None
        if clip.kind == "features":
            self.length, self.width = feature_shape(clip.path)
        elif clip.kind == "frames":
            self.length = len(picture_files(clip.path))
        else:
            self.video = index_video(clip.path)
            self.length = self.video.length

    def read(self, positions: np.ndarray, size: int | None) -> np.ndarray:
        """Read the frames at rising positions, as `ClipCache.load(path)[positions]`.

        Raises
        ------
        FileNotFoundError, ValueError
            If the clip is damaged there, or has changed.
        """
        path = self.clip.path
        if self.clip.kind == "features":
            features = load_features(path, positions)
            if features.shape[1] != self.width:
                raise ValueError(
                    f"{path}: has changed: {self.width} features a frame, now {features.shape[1]}"
                )
            return features
        if self.video is None:
            frames = list(read_pictures(path, positions))
        else:
            frames = read_frames(path, positions, self.video)
        return np.stack([frame if size is None else resized(frame, size) for frame in frames])


def clip_length(path: Path) -> int:
    """Return the number of frames of a clip, without decoding it if its format allows.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is missing, not a clip, or damaged.
    """
    kind = "frames" if path.is_dir() else clip_kind(path) or "video"  # as in `iter_frames`
    return ClipIndex(Clip(path, "", kind)).length
