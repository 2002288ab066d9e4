"""Embedding a video frame by frame or chunk by chunk, with the same result as for the whole."""

from collections.abc import Iterable, Iterator
from numbers import Integral
from typing import Any

import numpy as np

from tacref.encoder.config import EncoderConfig
from tacref.encoder.frames import FrameError, check_embeddings
from tacref.memory import memory_errors
from tacref_export.binding import Runner


class EncoderStream:
    """One video that arrives in chunks; made by `EncoderSession.stream`.

    The features of the last frames are carried from chunk to chunk, so each frame goes through
    the backbone once. An embedding is returned once its whole context has arrived, after as many
    frames as the largest offset.

    Parameters
    ----------
    runner : Runner
        Runs the encoder.
    config : EncoderConfig
        Configuration of the encoder.
    resize : bool
        Whether pictures are resized before they are run. The graph would do the same, byte by byte,
        on full-size pictures in float32, which takes longer on a CPU.
    """

    def __init__(self, runner: Runner, config: EncoderConfig, *, resize: bool = False) -> None:
        self._runner, self._config = runner, config
        self._size = config.size if resize and config.squeezes_pictures else None
        self._after = max(0, config.offsets[-1])
        self._context: Any | None = None
        self._shape: tuple[int, ...] | None = None
        # Embeddings of the last `after` frames, valid if the video ends here.
        self._last = np.empty((0, config.dim), np.float32)
        self._frames_in, self._rows_out = 0, 0  # so far
        self._finished = False

    def push(self, frames: np.ndarray) -> np.ndarray:
        """Add the next frames.

        Parameters
        ----------
        frames : ndarray, shape (T, H, W, 3) of uint8 or (T, F) of float32
            T >= 1; the size must be the same in all calls.

        Returns
        -------
        ndarray of float32, shape (N, d)
            Embeddings of the frames after those already returned.

        Raises
        ------
        ValueError
            If `frames` do not fit the encoder or change their size, the stream is finished, or an
            embedding is not of unit length. Names the frame, counted from the first of the video.
        MemoryError
            If there is not enough memory for these frames.
        """
        if self._finished:
            raise ValueError("the stream is finished; a new video needs a new one")
        try:
            frames = self._config.as_frames(frames)
        except FrameError as error:
            raise error.after(self._frames_in) from None
        self._shape = self._shape or frames.shape[1:]
        if frames.shape[1:] != self._shape:
            raise ValueError(
                f"frames must all have shape {self._shape}, as the first, got {frames.shape[1:]}"
            )
        if self._size is not None:
            from tacref.kernels.resize import (
                resize_all,  # imports Numba, which features do not need
            )

            frames = resize_all(frames, self._size)
        return self._run(frames)

    def resized(self, frame: np.ndarray) -> np.ndarray:
        """Return what `push` would make of a frame, which takes less memory to keep."""
        return frame if self._size is None else resized(frame, self._config)

    def _run(self, frames: np.ndarray) -> np.ndarray:
        try:
            with memory_errors(f"frames of shape {frames.shape}"):
                rows, self._context = self._runner.run(frames, self._context)
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime's kinds of error share no public base
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"onnxruntime cannot embed frames of shape {frames.shape} ({reason})"
            ) from error
        self._frames_in += len(frames)
        ready = max(0, len(rows) - self._after)
        self._last = rows[ready:]
        return self._check_rows(rows[:ready])

    def finish(self) -> np.ndarray:
        """End the video: its last frame is repeated beyond the end.

        Returns
        -------
        ndarray of float32, shape (N, d)
            The remaining embeddings.

        Raises
        ------
        ValueError
            If one is not of unit length; names the frame.
        """
        rows, self._last, self._context = self._last, self._last[:0], None
        self._finished = True
        return self._check_rows(rows)

    def _check_rows(self, rows: np.ndarray) -> np.ndarray:
        before, self._rows_out = self._rows_out, self._rows_out + len(rows)
        try:
            check_embeddings(rows)
        except FrameError as error:
            raise error.after(before) from None
        return rows


def resized(frame: np.ndarray, config: EncoderConfig) -> np.ndarray:
    """Return a picture in the size of the encoder.

    Raises
    ------
    ValueError
        If it is not a picture.
    """
    from tacref.kernels.resize import resize

    config.check_frame(frame)
    return resize(frame, config.size)


def embed_stream(
    stream: EncoderStream, frames: Iterable[np.ndarray], chunk: int | None
) -> Iterator[np.ndarray]:
    """Yield the embeddings of a sequence of frames, in chunks of `chunk` frames.

    Parameters
    ----------
    stream : EncoderStream
        A new stream; finished at the end.
    frames : iterable of ndarray
        Frames of the same size; read once.
    chunk : int, optional
        Frames to run at once, >= 1. By default `default_chunk` of the first frame, at most
        `_MAX_CPU_CHUNK` if pictures are resized here.

    Yields
    ------
    ndarray of float32, shape (N, d)
        One array per chunk, in total one row per frame.

    Raises
    ------
    ValueError
        If a frame does not fit the encoder, or its shape differs from that of the first.
    """
    pending: list[np.ndarray] = []
    shape: tuple[int, ...] | None = None
    for number, frame in enumerate(map(np.asarray, frames)):
        if frame.shape != (shape or frame.shape):
            raise ValueError(
                f"frame {number}: must have shape {shape}, as the first, got {frame.shape}"
            )
        if shape is None:
            stream._config.check_frame(frame)
            shape = frame.shape
        small = stream.resized(frame)
        if chunk is None:
            chunk = default_chunk(small, stream._config)
            if stream._size is not None:
                chunk = min(chunk, _MAX_CPU_CHUNK)
        pending.append(small)
        if len(pending) == chunk:
            yield stream.push(np.stack(pending))
            pending.clear()
    if pending:
        yield stream.push(np.stack(pending))
    yield stream.finish()


def check_chunk(chunk: int | None) -> None:
    """Refuse a chunk size that is not a whole number >= 1; None stands for the default.

    Raises
    ------
    ValueError
        If it is not.
    """
    whole = isinstance(chunk, Integral) and not isinstance(chunk, bool)
    if chunk is not None and not (whole and chunk >= 1):
        raise ValueError(f"chunk must be a whole number >= 1, got {chunk!r}")


# Of small pictures on a CPU: the feature maps of more do not stay in its cache.
_MAX_CPU_CHUNK = 32
# For the frames of a chunk and the largest feature maps computed from them.
_MAX_CHUNK_BYTES = 256 << 20


def default_chunk(frame: np.ndarray, config: EncoderConfig) -> int:
    """Return the number of frames of this size to run at once.

    Parameters
    ----------
    frame : ndarray, shape (H, W, 3) or (F,)
        A frame.
    config : EncoderConfig
        Configuration of the encoder.

    Returns
    -------
    int
        From 1 to 4096.
    """
    # As uint8 and as float32.
    bytes_per_frame = 5 * frame.size
    if config.takes_pictures:
        # Its resized rows, in three float32 arrays.
        bytes_per_frame += 12 * config.size * frame[0].size
        # A few maps as large as ResNet-50's first layers: 64 channels at half the size.
        bytes_per_frame += 256 * config.size**2
    return min(4096, max(1, _MAX_CHUNK_BYTES // bytes_per_frame))
