"""Cutting a long video into chunks, each with the context that its frames need."""

from collections.abc import Iterable, Iterator

import numpy as np

# Frames of one chunk, so that memory does not depend on the length of the video.
MAX_CHUNK_BYTES = 32 << 20


def iter_chunks(
    frames: Iterable[np.ndarray], offsets: Iterable[int], size: int | None = None
) -> Iterator[tuple[np.ndarray, slice]]:
    """Cut a stream of frames into overlapping chunks.

    Embedding each chunk as a separate video, and keeping its own rows, gives the same as embedding
    the whole video: chunks overlap by the context of `offsets`, and frames are repeated only at
    the true ends.

    Parameters
    ----------
    frames : iterable of ndarray
        Frames of one video, all of the same shape; read once.
    offsets : iterable of int
        Context offsets in frames.
    size : int, optional
        New frames per chunk, >= 1. By default as many as `MAX_CHUNK_BYTES` holds, 16 to 4096.

    Yields
    ------
    chunk : ndarray, shape (t, ...)
        Consecutive frames.
    own : slice
        The rows of this chunk that no other chunk yields.

    Raises
    ------
    ValueError
        If `size` is not >= 1.
    """
    if size is not None and size < 1:
        raise ValueError(f"size must be >= 1, got {size!r}")
    offsets = list(offsets)
    before, after = max(0, -min(offsets)), max(0, max(offsets))
    buffer: list[np.ndarray] = []
    first = 0  # position in the buffer of the first frame not yet yielded
    for frame in frames:
        if size is None:
            size = min(4096, max(16, MAX_CHUNK_BYTES // max(1, frame.nbytes)))
        buffer.append(frame)
        if len(buffer) == first + size + after:
            end = first + size
            yield np.stack(buffer), slice(first, end)
            context = min(before, end)
            del buffer[: end - context]
            first = context
    if len(buffer) > first:
        yield np.stack(buffer), slice(first, len(buffer))
