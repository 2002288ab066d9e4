"""Follow a video, or rows of numbers, through a reference while it runs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tacref.alignment.online import OnlineAligner, Position
from tacref.data.live import iter_live, source_name
from tacref.encoder.embedding import Embedder, check_frame, embed_frames
from tacref.encoder.frames import FrameError


def follow(
    encoder: Embedder | None, source: str | Path, aligner: OnlineAligner, *, batch: int = 8
) -> Iterator[tuple[float, Position]]:
    """Embed frames as they come and find their positions.

    Parameters
    ----------
    encoder : Embedder or None
        A run's encoder or an ONNX session. A position comes once the frames that its embedding
        looks at are there: as many frames late as the encoder's context reaches ahead. None takes
        rows of numbers as they are, each at once.
    source : str or Path
        As `tacref.data.live.iter_live` takes it.
    aligner : OnlineAligner
        Of the reference's embeddings by the same encoder, or of its rows.
    batch : int
        Frames that are embedded together, >= 1.

    Yields
    ------
    timestamp : float
        Seconds since the first frame.
    position : Position
        Where that frame is in the reference.

    Raises
    ------
    FileNotFoundError
        If there is no such clip.
    ValueError
        If the camera does not open, a frame is damaged, or the source is not what the encoder
        takes, or not rows of the reference's length if there is none.
    """
    name, timestamps = source_name(source), list[float]()

    def frames() -> Iterator[np.ndarray]:
        for number, (frame, timestamp) in enumerate(iter_live(source)):
            if number == 0:
                check_first(frame)
            timestamps.append(timestamp)
            yield frame

    def check_first(frame: np.ndarray) -> None:
        if encoder is not None:
            check_frame(encoder, frame, name)
        elif frame.ndim != 1:
            raise ValueError(f"{name}: has pictures, which need an encoder")
        elif len(frame) != aligner.dim:
            raise ValueError(
                f"{name}: has rows of {len(frame)} numbers, but the reference {aligner.dim}"
            )

    embeddings = (
        (frame[None] for frame in frames())
        if encoder is None
        else embed_frames(encoder, frames(), batch)
    )
    count = 0
    try:
        for rows in embeddings:
            for embedding in rows:
                try:
                    position = aligner.update(embedding)
                except ValueError as error:
                    raise FrameError(count, str(error)) from None
                yield timestamps.pop(0), position
                count += 1
    except FrameError as error:
        raise ValueError(f"{name}: {error}") from None
