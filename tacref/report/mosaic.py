"""aligned.mp4: all videos side by side, in step with the reference, named, with a progress bar."""

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tacref.report.footage import pixel_aspect_of, write_footage
from tacref.report.pictures import scaled, shown_size
from tacref.report.progress import frames_bar

CELL_SIDE, BAR_HEIGHT = 360, 8  # pixels; the side is the longer one
MAX_SIDE = 1920
CAPTION_HEIGHT, FONT_SIZE = 28, 16
_BAR_COLOR, _BACKGROUND, _TEXT = (255, 154, 92), (40, 40, 40), (235, 235, 235)


def write_mosaic(
    path: str | Path,
    times: np.ndarray,
    videos: Sequence[tuple[Iterable[tuple[np.ndarray, float]], np.ndarray]],
    *,
    names: Sequence[str] | None = None,
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
    names : sequence of str, optional
        What to write below each video. Any text; what does not fit is cut off.
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
        captions: list[np.ndarray] = []
        for index, cells in enumerate(zip(*tiles, strict=True)):
            if index == 0 and names is not None:
                width = max(cell.shape[1] for cell in cells)
                captions = [caption(name, width) for name in names]
            share = (index + 1) / len(times)
            yield _page(cells, captions, share), float(times[index])

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


def caption(text: str, width: int) -> np.ndarray:
    """Return a line of text on dark gray, uint8 `(CAPTION_HEIGHT, width, 3)`.

    A text that is too long ends with an ellipsis. Accents are left out, and other characters than
    ASCII's become question marks: Pillow's own font, the one that is everywhere, lacks them.
    """
    plain = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = "".join(c if c.isascii() and c.isprintable() else "?" for c in plain)
    font = ImageFont.load_default(FONT_SIZE)
    room, shown = width - FONT_SIZE, text
    while text and font.getlength(shown) > room:
        text = text[:-1]
        shown = f"{text}…" if text else ""
    image = Image.new("RGB", (width, CAPTION_HEIGHT), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    draw.text((FONT_SIZE // 2, CAPTION_HEIGHT // 2), shown, _TEXT, font, anchor="lm")
    return np.asarray(image)


def _page(cells: Sequence[np.ndarray], captions: Sequence[np.ndarray], share: float) -> np.ndarray:
    columns = math.ceil(math.sqrt(len(cells))) if len(cells) > 2 else len(cells)
    rows = -(-len(cells) // columns)
    picture = max(cell.shape[0] for cell in cells)
    height = picture + (CAPTION_HEIGHT if captions else 0)
    width = max(cell.shape[1] for cell in cells)
    page = np.full((rows * height + BAR_HEIGHT, columns * width, 3), _BACKGROUND, dtype=np.uint8)
    for k, cell in enumerate(cells):
        h, w = cell.shape[:2]
        row, column = k // columns * height, k % columns * width
        top, left = row + (picture - h) // 2, column + (width - w) // 2
        page[top : top + h, left : left + w] = cell
        if captions:
            page[row + picture : row + height, column : column + width] = captions[k]
    page[-BAR_HEIGHT:, : round(share * page.shape[1])] = _BAR_COLOR
    return page
