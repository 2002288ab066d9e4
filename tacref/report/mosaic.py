"""aligned.mp4: all videos beside each other, in step with the reference, with a progress bar."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tacref.report.footage import pixel_aspect_of, write_footage
from tacref.report.pictures import scaled, shown_size
from tacref.report.progress import frames_bar

CELL, BAR = 360, 8  # pixels: the longer side of a cell, the height of the bar
MOST = 1920
_BAR_COLOR, _BACK = (255, 154, 92), (40, 40, 40)


def write_mosaic(
    path: str | Path,
    times: np.ndarray,
    videos: Sequence[tuple[Iterable[tuple[np.ndarray, float]], np.ndarray]],
    *,
    progress: bool = False,
) -> None:
    """Write videos side by side as one H.264 mp4, time-warped.

    Parameters
    ----------
    path : str or Path
        File to write; replaced if it exists.
    times : ndarray of float64, shape (n,)
        Times of the reference's frames, in seconds: the pace of the film.
    videos : sequence of (iterable of (ndarray, float), ndarray of int64 of shape (n,))
        Each video's frames with their times, as `write_footage` takes them, and the frame that it
        shows at each of the reference's; these never go back. The reference may be among them.
    progress : bool
        Show a progress bar (on a terminal only; needs tqdm).

    Raises
    ------
    ValueError
        If there are no videos, or one ends before a frame that it ought to show.
    """
    if not videos:
        raise ValueError("videos must hold at least one with pictures, got none")
    tiles = [_tiles(frames, shown) for frames, shown in videos]

    def films() -> Iterator[tuple[np.ndarray, float]]:
        for index, cells in enumerate(zip(*tiles, strict=True)):
            share = (index + 1) / len(times)
            yield _page(cells, share), float(times[index])

    with frames_bar(progress, "aligned.mp4", len(times)) as advance:
        write_footage(path, films(), most=MOST, advance=advance)


def _tiles(frames: Iterable[tuple[np.ndarray, float]], shown: np.ndarray) -> Iterator[np.ndarray]:
    """Yield a video's frame for each of the reference's, small."""
    stream = iter(frames)
    tile, at = np.empty(0, np.uint8), -1
    for wanted in shown.tolist():
        found = None
        while at < wanted:
            found, at = next(stream, None), at + 1
            if found is None:
                raise ValueError(f"videos must have the frames that they show, one lacks {wanted}")
        if found is not None:
            frame = found[0]
            tile = scaled(frame, shown_size(frame, pixel_aspect_of(frames), CELL, grow=True))
        yield tile


def _page(cells: Sequence[np.ndarray], share: float) -> np.ndarray:
    columns = math.ceil(math.sqrt(len(cells))) if len(cells) > 2 else len(cells)
    rows = -(-len(cells) // columns)
    height = max(cell.shape[0] for cell in cells)
    width = max(cell.shape[1] for cell in cells)
    page = np.full((rows * height + BAR, columns * width, 3), _BACK, dtype=np.uint8)
    for k, cell in enumerate(cells):
        h, w = cell.shape[:2]
        top = k // columns * height + (height - h) // 2
        left = k % columns * width + (width - w) // 2
        page[top : top + h, left : left + w] = cell
    page[-BAR:, : round(share * page.shape[1])] = _BAR_COLOR
    return page
