"""Clips to embeddings, in memory that does not grow with their frames."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tacref.data import iter_frames
from tacref.data.ahead import read_ahead
from tacref.data.named import expected_frames
from tacref.encoder.chunks import iter_chunks
from tacref.encoder.config import EncoderConfig
from tacref.encoder.frames import FrameError
from tacref.terminal import progress_bar

# Decoded while those before are embedded; full-size pictures, so that more take much memory.
FRAMES_AHEAD = 8
# A clip's path to its embeddings; a call in this process to what it gives in all processes.
Embed = Callable[[Path], np.ndarray]
GatherResults = Callable[[Callable[[], Any]], list[Any]]


class Embedder(Protocol):
    """What a run's encoder and an ONNX session have in common."""

    config: EncoderConfig

    def embed(self, frames: np.ndarray) -> np.ndarray:
        """Map one video, `(T, H, W, 3)` uint8 or `(T, F)` float32, to `(T, d)` float32."""


@runtime_checkable
class StreamingEmbedder(Embedder, Protocol):
    """An embedder that carries context from chunk to chunk itself."""

    def embed_stream(
        self, frames: Iterable[np.ndarray], chunk: int | None = None
    ) -> Iterator[np.ndarray]:
        """Map the frames of one video, one by one, to embeddings, `chunk` frames at a time."""


@runtime_checkable
class ResizingEmbedder(Embedder, Protocol):
    """An embedder that needs less than a whole frame."""

    def resized(self, frame: np.ndarray) -> np.ndarray:
        """Return the part of the embedder's work that makes a frame smaller."""


def embed_clip(
    encoder: Embedder, path: str | Path, *, progress: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Embed a whole clip in memory that does not grow with its frames.

    Parameters
    ----------
    encoder : Embedder
        A run's encoder or an ONNX session.
    path : str or Path
        A video, a folder of pictures or an array of features.
    progress : bool
        Show a progress bar (on a terminal only).

    Returns
    -------
    embeddings : ndarray of float32, shape (T, d)
        One unit vector a frame.
    timestamps : ndarray of float64, shape (T,)
        Seconds.

    Raises
    ------
    FileNotFoundError
        If there is no such clip.
    ValueError
        If the clip is damaged, or not what the encoder takes, or an embedding comes out that is
        not of unit length; names the frame.
    """
    timestamps: list[float] = []
    seen = progress and sys.stderr.isatty()
    clip = progress_bar(
        read_ahead(_smaller(encoder, iter_frames(path), path), FRAMES_AHEAD),
        Path(path).name,
        expected_frames(path) if seen else None,
        "frames",
        enabled=progress,
    )

    def frames() -> Iterator[np.ndarray]:
        for frame, timestamp in clip:
            timestamps.append(timestamp)
            yield frame

    try:
        rows = list(embed_frames(encoder, frames()))
    except FrameError as error:
        raise ValueError(f"{path}: {error}") from None
    except MemoryError as error:
        raise MemoryError(f"{path}: {error}") from None
    return np.concatenate(rows), np.asarray(timestamps)


def _smaller(
    encoder: Embedder, clip: Iterator[tuple[np.ndarray, float]], path: str | Path
) -> Iterator[tuple[np.ndarray, float]]:
    """Yield a clip's frames as small as the encoder takes them, and their times."""
    resized = encoder.resized if isinstance(encoder, ResizingEmbedder) else None
    for number, (frame, timestamp) in enumerate(clip):
        if number == 0:
            check_frame(encoder, frame, path)
        yield frame if resized is None else resized(frame), timestamp


def check_frame(encoder: Embedder, frame: np.ndarray, source: str | Path) -> None:
    """Refuse a clip by its first frame.

    Raises
    ------
    ValueError
        If the frame is not what the encoder takes; names the source and the shape of a frame.
    """
    config = encoder.config
    try:
        config.check_frame(frame)
    except FrameError as error:
        raise ValueError(f"{source}: {error}") from None
    except ValueError:
        takes = "pictures" if config.takes_pictures else f"rows of {config.channels} features"
        has = "pictures" if frame.ndim == 3 else f"rows of {frame.shape[0]} features"
        raise ValueError(
            f"{source}: not what the encoder takes: {takes}; the clip has {has}"
        ) from None


def embed_frames(
    encoder: Embedder, frames: Iterable[np.ndarray], size: int | None = None
) -> Iterator[np.ndarray]:
    """Embed a video whose frames come one by one.

    Parameters
    ----------
    encoder : Embedder
        A run's encoder or an ONNX session.
    frames : iterable of ndarray
        Frames of one video, all of one shape; read once.
    size : int, optional
        New frames at a time, >= 1. By default what memory allows.

    Returns
    -------
    iterator of ndarray of float32, shape (N, d)
        Embeddings in order, together one row a frame.
    """
    if isinstance(encoder, StreamingEmbedder):
        return encoder.embed_stream(frames, size)
    return _embed_chunks(encoder, iter_chunks(frames, encoder.config.offsets, size))


def _embed_chunks(
    encoder: Embedder, chunks: Iterable[tuple[np.ndarray, slice]]
) -> Iterator[np.ndarray]:
    done = 0
    for chunk, own in chunks:
        try:
            rows = encoder.embed(chunk)[own]
        except FrameError as error:  # counts from the chunk's first frame
            raise error.after(done - own.start) from None
        done += len(rows)
        yield rows


def embed_shares(
    embed: Embed,
    paths: Sequence[Path],
    rank: int,
    world: int,
    gather: GatherResults,
    *,
    title: str = "embed",
    progress: bool = False,
) -> dict[Path, np.ndarray]:
    """Embed this process's share of some clips, and return the embeddings of all of them.

    Parameters
    ----------
    embed : callable
        A clip's path to its embeddings.
    paths : sequence of Path
        The same ones in every process.
    rank, world : int
        This process and the number of processes.
    gather : callable
        A call in this process to what it gives in all, in order of rank.
    title : str
        Of the progress bar.
    progress : bool
        Show one (on a terminal only).
    """
    own = paths[rank::world]
    bar = progress_bar(own, title, len(own), "clips", enabled=progress)
    shares = gather(lambda: {path: embed(path) for path in bar})
    return {path: rows for share in shares for path, rows in share.items()}
