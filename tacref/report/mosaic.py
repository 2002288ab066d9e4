"""aligned.mp4: all videos side by side, in step with the reference, with a progress bar."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tacref.report.footage import pixel_aspect_of, write_footage
from tacref.report.pictures import scaled, shown_size
from tacref.report.progress import frames_bar

CELL_SIDE, BAR_HEIGHT = 360, 8  # pixels; the side is the longer one
MAX_SIDE = 1920
_BAR_COLOR, _BACKGROUND = (255, 154, 92), (40, 40, 40)


def write_mosaic(
    path: str | Path,
    times: np.ndarray,
    videos: Sequence[tuple[Iterable[tuple[np.ndarray, float]], np.ndarray]],
    *,
    progress: bool = False,
) -> None:
    """Write videos side by side as one time-warped H.264 mp4.

    Parameters
    ----------
    path : str or Path
        File to write; replaced if it exists.
    times : ndarray of float64, shape (n,)
        Times of the reference's frames in seconds; the film keeps its pace.
    videos : sequence of (iterable of (ndarray, float), ndarray of int64 of shape (n,))
        Each video's frames with their times, as `write_footage` takes them, and the number of the
        frame to show at each frame of the reference; the numbers never decrease. The reference may
        be among them.
    progress : bool
        Show a progress bar (on a terminal only; needs tqdm).

    Raises
    ------
    ValueError
        If there are no videos, or one ends before a frame to be shown.
    """
    if not videos:
        raise ValueError("videos must hold at least one with pictures, got none")
    tiles = [_tiles(frames, numbers) for frames, numbers in videos]

    def films() -> Iterator[tuple[np.ndarray, float]]:
        for index, cells in enumerate(zip(*tiles, strict=True)):
            share = (index + 1) / len(times)
            yield _page(cells, share), float(times[index])

    with frames_bar(progress, "aligned.mp4", len(times)) as advance:
        write_footage(path, films(), max_side=MAX_SIDE, advance=advance)


def _tiles(frames: Iterable[tuple[np.ndarray, float]], numbers: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the numbered frames of a video, each scaled to a cell."""
    stream = iter(frames)
    tile, last_read = np.empty(0, np.uint8), -1
    for number in numbers.tolist():
        timed = None
        while last_read < number:
            timed, last_read = next(stream, None), last_read + 1
            if timed is None:
                raise ValueError(f"videos must have the frames that they show, one lacks {number}")
        if timed is not None:
            frame = timed[0]
            tile = scaled(frame, shown_size(frame, pixel_aspect_of(frames), CELL_SIDE, grow=True))
        yield tile


def _page(cells: Sequence[np.ndarray], share: float) -> np.ndarray:
    columns = math.ceil(math.sqrt(len(cells))) if len(cells) > 2 else len(cells)
    rows = -(-len(cells) // columns)
    height = max(cell.shape[0] for cell in cells)
    width = max(cell.shape[1] for cell in cells)
    page = np.full((rows * height + BAR_HEIGHT, columns * width, 3), _BACKGROUND, dtype=np.uint8)
    for k, cell in enumerate(cells):
        h, w = cell.shape[:2]
        top = k // columns * height + (height - h) // 2
        left = k % columns * width + (width - w) // 2
        page[top : top + h, left : left + w] = cell
    page[-BAR_HEIGHT:, : round(share * page.shape[1])] = _BAR_COLOR
    return page
