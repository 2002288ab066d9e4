"""Checks of the metrics' arguments: embeddings and labels by name of video."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import read_array

Embeddings = Mapping[str, ArrayLike]
Labels = Mapping[str, Sequence[str | None]]  # None: a frame without a phase


def check_videos(
    embeddings: Embeddings, name: str, *, min_videos: int = 1
) -> dict[str, np.ndarray]:
    """Return the embeddings as float64 arrays `(T, d)`, finite, not empty and of the same d.

    Raises
    ------
    ValueError
        If there are fewer than `min_videos` videos, or an array is not as described or holds whole
        numbers that float64 would round.
    """
    if len(embeddings) < min_videos:
        raise ValueError(
            f"{name} must hold at least {'two videos' if min_videos == 2 else 'one video'}, "
            f"got {len(embeddings)}"
        )
    videos: dict[str, np.ndarray] = {}
    d = -1
    for key, array in embeddings.items():
        video = _as_float64(array, f"{name}[{key!r}]")
        if d < 0 and video.ndim == 2:
            d = video.shape[1]
        if video.ndim != 2 or video.size == 0 or video.shape[1] != d:
            expected = "(T, d)" if d < 0 else f"(T, {d})"
            raise ValueError(f"{name}[{key!r}] must have shape {expected}, got {np.shape(array)}")
        if not np.isfinite(video).all():
            raise ValueError(f"{name}[{key!r}] holds NaN or infinity")
        videos[key] = video
    return videos


def _as_float64(numbers: ArrayLike, name: str) -> np.ndarray:
    """Return an array as float64, if that represents its numbers."""
    array = read_array(numbers, name)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}")
    real = array.astype(np.float64)
    if array.dtype.kind in "iu" and (np.abs(real) >= 2.0**53).any():
        largest = array.flat[np.abs(real).argmax()]
        raise ValueError(f"{name} must hold whole numbers below 2**53, got {largest}")
    return real


def check_labels(
    labels: Labels, videos: Mapping[str, np.ndarray], name: str
) -> dict[str, np.ndarray]:
    """Return the phase of every frame of every video, as arrays of str or None `(T,)`.

    Raises
    ------
    ValueError
        If a video does not have one label per frame; names the video and the frames.
    """
    checked = {}
    for key, video in videos.items():
        if key not in labels:
            raise ValueError(f"{name} must cover {key!r}, frames 0 to {len(video)}: it has none")
        phases = np.asarray(labels[key], dtype=object)
        if phases.shape != (len(video),):
            raise ValueError(
                f"{name}[{key!r}] must have a phase for each of its {len(video)} frames, got "
                f"{phases.shape[0] if phases.ndim == 1 else phases.shape}"
            )
        texts = [None if phase is None else str(phase) for phase in phases]
        checked[key] = np.array(texts, dtype=object)
    return checked


def is_labeled(phases: np.ndarray) -> np.ndarray:
    """Return for each frame whether it has a phase, `(T,)`."""
    return np.array([phase is not None for phase in phases], dtype=bool)


def labeled_frames(
    videos: Mapping[str, np.ndarray], phases: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the frames that have a phase, and their phases as arrays of str.

    Parameters
    ----------
    videos, phases : mapping of str to ndarray
        As `check_videos` and `check_labels` return them.
    """
    labeled = {key: is_labeled(phases[key]) for key in videos}
    return (
        {key: video[labeled[key]] for key, video in videos.items()},
        {key: phases[key][labeled[key]].astype(np.str_) for key in videos},
    )


def check_held_out(
    videos: Mapping[str, np.ndarray], train_videos: Mapping[str, np.ndarray]
) -> None:
    """Refuse to score embeddings that are also training data.

    Raises
    ------
    ValueError
        If two arrays are equal. Arrays with only one distinct row are not compared: a collapsed
        encoder returns the same for any two videos of equal length.
    """
    known = {(video.shape, video.tobytes()): key for key, video in train_videos.items()}
    for key, video in videos.items():
        twin = known.get((video.shape, video.tobytes()))
        if twin is not None and (video != video[0]).any():
            raise ValueError(
                f"embeddings[{key!r}] equals train_embeddings[{twin!r}]: training data is not "
                "scored, a score on it says nothing"
            )


def check_seed(seed: int) -> None:
    """Refuse a seed that NumPy's generators do not take.

    Raises
    ------
    ValueError
        If `seed` is not >= 0.
    """
    if seed < 0:
        raise ValueError(f"seed must be >= 0, got {seed!r}")
