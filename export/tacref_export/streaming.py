"""A video frame by frame or chunk by chunk: the same embeddings as of the whole."""

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
    the backbone once. An embedding comes out once its whole context was seen: as many frames
    later as the largest offset.

    Parameters
    ----------
    runner : Runner
        Runs the encoder.
    config : EncoderConfig
        The encoder's.
    """

    def __init__(self, runner: Runner, config: EncoderConfig) -> None:
        self._runner, self._config = runner, config
        self._after = max(0, config.offsets[-1])
        self._context: Any | None = None
        self._shape: tuple[int, ...] | None = None
        # Embeddings of the last `after` frames, right if the video ends here.
        self._last = np.empty((0, config.dim), np.float32)
        self._taken, self._given = 0, 0  # frames and embeddings so far
        self._finished = False

    def push(self, frames: np.ndarray) -> np.ndarray:
        """Add the next frames.

        Parameters
        ----------
        frames : ndarray, shape (T, H, W, 3) of uint8 or (T, F) of float32
            T >= 1; of the same size each time.

        Returns
        -------
        ndarray of float32, shape (N, d)
            Embeddings of the frames that follow those already given out.

        Raises
        ------
        ValueError
            If `frames` is not what the encoder takes, changes its size, or the stream is finished;
            or an embedding comes out that is not of unit length. Names the frame, counted from the
            first of the video.
        MemoryError
            If there is not enough for these frames.
        """
        if self._finished:
            raise ValueError("the stream is finished; a new video needs a new one")
        try:
            frames = self._config.as_frames(frames)
        except FrameError as error:
            raise error.after(self._taken) from None
        self._shape = self._shape or frames.shape[1:]
        if frames.shape[1:] != self._shape:
            raise ValueError(
                f"frames must all have shape {self._shape}, as the first, got {frames.shape[1:]}"
            )
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
        self._taken += len(frames)
        ready = max(0, len(rows) - self._after)
        self._last = rows[ready:]
        return self._give(rows[:ready])

    def finish(self) -> np.ndarray:
        """End the video: beyond it, its last frame stands in.

        Returns
        -------
        ndarray of float32, shape (N, d)
            The embeddings that are left.

        Raises
        ------
        ValueError
            If one is not of unit length; names the frame.
        """
        rows, self._last, self._context = self._last, self._last[:0], None
        self._finished = True
        return self._give(rows)

    def _give(self, rows: np.ndarray) -> np.ndarray:
        before, self._given = self._given, self._given + len(rows)
        try:
            check_embeddings(rows)
        except FrameError as error:
            raise error.after(before) from None
        return rows


def embed_stream(
    stream: EncoderStream, frames: Iterable[np.ndarray], chunk: int | None
) -> Iterator[np.ndarray]:
    """Yield the embeddings of a video given frame by frame, in chunks of `chunk` frames.

    Parameters
    ----------
    stream : EncoderStream
        A new one; finished at the end.
    frames : iterable of ndarray
        Frames of one size; read once.
    chunk : int, optional
        Frames at a time, >= 1. By default `default_chunk` of the first frame.

    Yields
    ------
    ndarray of float32, shape (N, d)
        One array a chunk; together one row a frame.

    Raises
    ------
    ValueError
        If a frame is not what the encoder takes, or not of the shape of the first.
    """
    held: list[np.ndarray] = []
    shape: tuple[int, ...] | None = None
    for number, frame in enumerate(map(np.asarray, frames)):
        if shape is None:
            stream._config.check_frame(frame)
            shape, chunk = frame.shape, chunk or default_chunk(frame, stream._config)
        if frame.shape != shape:
            raise ValueError(
                f"frame {number}: must have shape {shape}, as the first, got {frame.shape}"
            )
        held.append(frame)
        if len(held) == chunk:
            yield stream.push(np.stack(held))
            held.clear()
    if held:
        yield stream.push(np.stack(held))
    yield stream.finish()


def check_chunk(chunk: int | None) -> None:
    """Refuse a number of frames that is no whole number >= 1; None stands for the default.

    Raises
    ------
    ValueError
        If it is not.
    """
    whole = isinstance(chunk, Integral) and not isinstance(chunk, bool)
    if chunk is not None and not (whole and chunk >= 1):
        raise ValueError(f"chunk must be a whole number >= 1, got {chunk!r}")


# Bytes that a chunk's frames and the largest maps that come of them may take.
_CHUNK_BYTES = 256 << 20


def default_chunk(frame: np.ndarray, config: EncoderConfig) -> int:
    """Return how many frames of this size go through the encoder at once.

    Parameters
    ----------
    frame : ndarray, shape (H, W, 3) or (F,)
        A frame.
    config : EncoderConfig
        The encoder's.

    Returns
    -------
    int
        From 1 to 4096.
    """
    # As uint8 and as float32.
    each = 5 * frame.size
    if config.takes_pictures:
        # Its lines, summed, rounded and transposed, as float32.
        each += 12 * config.size * frame[0].size
        # A few maps of 64 channels at half the size, or as large: ResNet-50's first layers.
        each += 256 * config.size**2
    return min(4096, max(1, _CHUNK_BYTES // each))
