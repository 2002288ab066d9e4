"""A clip as a folder of pictures, one per frame, in natural order of their names."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".webp"))
# Pillow identifies files by content, not by name. Other formats are refused: for some of them, such
# as EPS, it starts a program.
_FORMATS = ("BMP", "JPEG", "PNG", "WEBP")


def picture_files(folder: str | Path) -> list[Path]:
    """List a folder's pictures in natural order: 2.jpg before 10.jpg."""
    return sorted(
        (
            path
            for path in Path(folder).iterdir()
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        ),
        key=_natural,
    )


def iter_pictures(folder: str | Path) -> Iterator[np.ndarray]:
    """Read a folder of pictures.

    Parameters
    ----------
    folder : str or Path
        Pictures of the same size: BMP, JPEG, PNG or WebP. Only the first picture of an animation is
        read.

    Yields
    ------
    ndarray of uint8, shape (H, W, 3)
        RGB, turned upright by the EXIF orientation. Of 16-bit channels the upper 8 bits are kept;
        transparency is ignored: a pixel has its stored color.

    Raises
    ------
    ValueError
        If there are no pictures, one cannot be read, or their sizes differ; names the file.
    """
    yield from _read(folder, picture_files(folder))


def read_pictures(folder: str | Path, positions: Iterable[int]) -> Iterator[np.ndarray]:
    """Read the pictures at some positions of a folder, in that order, as `iter_pictures` does.

    Raises
    ------
    ValueError
        If one is missing or cannot be read, or their sizes differ.
    """
    files, positions = picture_files(folder), list(positions)
    if positions and max(positions) >= len(files):
        raise ValueError(f"{folder}: has changed: no picture {max(positions)} of {len(files)}")
    yield from _read(folder, [files[position] for position in positions])


def _read(folder: str | Path, files: list[Path]) -> Iterator[np.ndarray]:
    if not files:
        raise ValueError(f"{folder}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
    first: tuple[int, ...] | None = None
    for path in files:
        picture = _picture(path)
        first = first or picture.shape
        if picture.shape != first:
            raise ValueError(
                f"{path}: is {picture.shape[1]}x{picture.shape[0]}, but {files[0].name} is "
                f"{first[1]}x{first[0]}"
            )
        yield picture


def _picture(path: Path) -> np.ndarray:
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return _rgb(ImageOps.exif_transpose(image))
    except MemoryError:
        raise
    except UnidentifiedImageError:  # its message repeats the file name
        reason = "no BMP, JPEG, PNG or WebP"
    except Exception as error:  # Pillow's parsers can raise anything on damaged files
        reason = getattr(error, "strerror", None) or str(error)
    raise ValueError(f"{path}: not a picture, or damaged ({reason})")


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow would clip at 255
        gray = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    image.info.pop("transparency", None)  # Pillow would warn that it ignores that of a palette
    return np.asarray(image.convert("RGB"))


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())  # text and numbers in turn
    return [
        (index % 2 == 1, int(part) if index % 2 else 0, part) for index, part in enumerate(parts)
    ]
