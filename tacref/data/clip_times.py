"""The time of every frame of a clip, without decoding it where its packets state them."""

from pathlib import Path

import numpy as np

from tacref.data.cache import clip_length
from tacref.data.clips import ASSUMED_FPS, clip_kind
from tacref.data.features import feature_times
from tacref.data.index import index_video
from tacref.data.video import iter_video, open_video, video_stream


def clip_times(path: Path) -> np.ndarray:
    """Return the times of a clip's frames in seconds, shape (T,), as `iter_frames` gives them.

    Raises
    ------
    FileNotFoundError, ValueError
        If the clip is missing, not a clip, or damaged, as far as that shows.
    """
    if path.is_dir() or clip_kind(path) == "features":
        if not path.is_dir() and (times := feature_times(path)) is not None:
            return times
        return np.arange(clip_length(path)) / ASSUMED_FPS
    index = index_video(path)
    if index.pts is not None:
        with open_video(path) as container:
            tick = video_stream(path, container).time_base
        if tick is not None:
            return np.array([float(pts * tick) for pts in index.pts.tolist()])
    return np.array([time for _, time in iter_video(path)])
