"""A decoded frame as an upright RGB picture."""

import warnings
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

# Matrix coefficients (ITU-T H.273, table 4).
_YCGCO = 8
_BT2020 = (9, 10, 14)  # non-constant and constant luminance; ICtCp


def _unnamed(cls: type[Type], value: object) -> Type:
    """Name a kind of side data that PyAV does not know, instead of raising."""
    member: Any = object.__new__(cls)
    member._name_, member._value_ = f"TYPE_{value}", value
    return cast(Type, member)


# Frames may carry side data that this PyAV does not know, such as the EXIF data of motion JPEG; it
# would keep PyAV from reading their other side data.
Type._missing_ = classmethod(_unnamed)  # type: ignore[assignment,method-assign]


class PictureReader:
    """Converts the frames of one stream, in order, to pictures.

    Parameters
    ----------
    path : str or Path
        The file, named in warnings.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._reformatter = VideoReformatter()
        # An orientation stated once, as by a message of H.264, holds for the following frames.
        self._matrix = (1, 0, 0, 1)

    @property
    def swaps_sides(self) -> bool:
        """True if pictures are turned by a quarter, which exchanges width and height."""
        a, b, _, _ = self._matrix
        return abs(b) > abs(a)

    @property
    def is_upright(self) -> bool:
        """True if pictures are neither turned nor mirrored."""
        a, _, _, d = self._matrix
        return not self.swaps_sides and a > 0 and d > 0

    def _note_orientation(self, frame: av.VideoFrame) -> None:
        # Not `frame.side_data`, which the frame keeps, and which keeps the frame: a cycle, whose
        # picture would stay in memory until Python looks for cycles, hundreds of frames later.
        side_data = SideDataContainer(frame)  # type: ignore[call-arg]
        matrix: Any = side_data.get("DISPLAYMATRIX")  # a buffer
        if matrix is not None:
            a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
            self._matrix = (a, b, c, d)

    def read(self, frame: av.VideoFrame) -> np.ndarray:
        """Return a frame as RGB `(H, W, 3)` uint8, turned by its display matrix."""
        self._note_orientation(frame)
        picture = self._rgb(frame)
        # A pixel at (p, q) is shown at (a p + c q, b p + d q). Players round to quarter turns, too.
        a, b, c, d = self._matrix
        across, down = a, d
        if self.swaps_sides:
            picture, across, down = picture.swapaxes(0, 1), c, b
        return np.ascontiguousarray(picture[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])

    def _rgb(self, frame: av.VideoFrame) -> np.ndarray:
        # More threads would be started for every frame, which costs more than it saves.
        convert = self._reformatter.reformat
        try:
            return convert(frame, format="rgb24", threads=1).to_ndarray()
        except av.FFmpegError:
            tag = int(frame.colorspace)
            if tag in (0, 1, 2, 4, 5, 6, 7, 9):  # swscale converts these: the cause is another
                raise
        if tag == _YCGCO:
            return self._from_ycgco(frame)
        matrix = Colorspace.BT2020 if tag in _BT2020 else Colorspace.ITU709
        warnings.warn(
            f"{self._path}: its colors are converted by the matrix of {matrix.name}, which is near "
            f"to its own (number {tag} of H.273)",
            stacklevel=2,
        )
        rgb = convert(
            frame, format="rgb24", src_colorspace=matrix, dst_colorspace=matrix, threads=1
        )
        return rgb.to_ndarray()

    def _from_ycgco(self, frame: av.VideoFrame) -> np.ndarray:
        """Convert by equations 48 to 51 of H.273, which swscale lacks."""
        tag = frame.colorspace
        full_range = int(frame.color_range) == ColorRange.JPEG
        colors = ColorRange.JPEG if full_range else ColorRange.MPEG
        # The same matrix and range on both sides: only the format changes.
        frame.colorspace = Colorspace.ITU601
        try:
            planes = self._reformatter.reformat(
                frame, format="yuv444p", src_color_range=colors, dst_color_range=colors, threads=1
            ).to_ndarray()
        finally:
            frame.colorspace = tag
        luma, green, orange = planes.astype(np.float32)  # (3, H, W)
        if not full_range:
            luma = (luma - 16) * (255 / 219)
        green, orange = (
            (plane - 128) * (1 if full_range else 255 / 224) for plane in (green, orange)
        )
        rest = luma - green
        rgb = np.stack([rest + orange, luma + green, rest - orange], axis=-1)
        return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
