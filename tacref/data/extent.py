"""How much of a video was read, compared with what its container states."""

import re
import warnings
from fractions import Fraction
from pathlib import Path

import av

from tacref.data.container import is_cut


class Extent:
    """The frames of a stream so far: their number, and their end in seconds."""

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._container, self._stream = container, stream
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        self.interval = self._longest = float(1 / rate)
        self._last: float | None = None
        self.count, self.end = 0, 0.0

    def add(self, time: float, duration: float | None) -> None:
        """Count a frame shown from `time` on, in seconds, for `duration` if that is known."""
        if self._last is not None:
            self._longest = max(self._longest, time - self._last)
        self._last, self.end = time, time + (duration or self.interval)
        self.count += 1

    def check(self, path: str | Path) -> None:
        """Compare what was read up to the end with what the container states.

        Raises
        ------
        ValueError
            If there are no frames, or the end of the file is missing, and frames with it. (If no
            bytes are missing, another length is a guess of the program that wrote it, and this only
            warns.)
        """
        if self.count == 0:
            raise ValueError(f"{path}: has no frames")
        if is_cut(path, self._container.format.name) and self._misses_frames(0.75, unknown=True):
            raise ValueError(f"{path}: cut off: {self}")
        if self._misses_frames(2.0, unknown=False):  # a single frame is not worth a warning
            # Attributed to this line, whoever calls, so that it is shown once.
            warnings.warn(f"{path}: shorter than it says: {self}", stacklevel=1)

    def __str__(self) -> str:
        frames, stated = self._stream.frames, self._stated_end()
        parts = [f"{frames} frames"] if frames else []
        parts += [] if stated is None else [f"{stated:.2f} s"]
        total = f" of {', '.join(parts)}" if parts else ""
        return f"{self.count} frames ({self.end:.2f} s) were read{total}"

    def _misses_frames(self, intervals: float, *, unknown: bool) -> bool:
        """Return whether the container states an end that is this many intervals later.

        The longest interval is used: with unequal steps, it may be the last one. Return `unknown`
        if the container states no end.
        """
        if self._container.format.name == "gif":  # ffmpeg computes its length from its frames
            return unknown
        # An edit list may hide some of the stored frames, so both lengths must be missed.
        if self._stream.frames > 0 and self.count >= self._stream.frames:
            return False
        stated = self._stated_end()
        if stated is None:
            return unknown
        return self.end < stated - intervals * self._longest

    def _stated_end(self) -> float | None:
        """Return the end of the video in seconds as the file states it, or None.

        A stated length counts from 0 or from the first frame; the earlier end is taken.
        """
        container, stream = self._container, self._stream
        if stream.duration and stream.time_base:
            ticks = stream.duration + min(0, stream.start_time or 0)
            return float(ticks * stream.time_base)
        # Matroska has a tag, hours:minutes:seconds.
        clock = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
        if clock:
            return 3600 * int(clock[1]) + 60 * int(clock[2]) + float(clock[3])
        if container.duration and len(container.streams) == 1:
            return container.duration / av.time_base
        return None
