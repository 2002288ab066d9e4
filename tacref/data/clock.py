"""Times of frames: always rising, in presentation order."""

import heapq
from collections import deque
from collections.abc import Iterator

import av

# No codec reorders frames over more of them.
_MAX_REORDERED_FRAMES = 16
# If presentation times go back by more intervals than this, another clip has been joined.
_JOIN_INTERVALS = 2.5


class Clock:
    """Gives the frames of a stream rising times.

    Some containers (AVI, and files of programs that copy decoding times) do not state presentation
    times, only decoding times. With B-frames these come in another order than the frames; sorted,
    they are right. Where one clip is joined to another, times start again; here they go on.

    Parameters
    ----------
    stream : VideoStream
        The stream to decode.
    interval : float
        Seconds between frames, for frames without a time.
    live : bool
        Whether to return every frame at once with its own time; only times that go back are
        changed.
    """

    def __init__(self, stream: av.VideoStream, interval: float, *, live: bool = False) -> None:
        self._codec, self._interval = stream.codec_context, interval
        self._tick = float(stream.time_base) if stream.time_base else 1e-6
        self._latest_pts: int | None = None  # of the packets
        # AVI states no presentation times; those that ffmpeg invents may still go back.
        self._has_invented_times = stream.container.format.name == "avi"
        self._has_presentation_times = live
        self._waiting: deque[av.VideoFrame] = deque()
        self._times: list[float] = []  # a heap; of the waiting frames
        self._offset = 0.0
        self._latest: float | None = None  # in the file, of the frames so far
        self._last: float | None = None  # returned

    def note_packet(self, packet: av.Packet) -> None:
        """Note a packet before it is decoded: times that go back are presentation times."""
        if packet.pts is None or self._has_presentation_times or self._has_invented_times:
            return
        if self._latest_pts is not None and packet.pts < self._latest_pts:
            self._has_presentation_times = True
        else:
            self._latest_pts = packet.pts

    def add(self, frame: av.VideoFrame) -> Iterator[tuple[av.VideoFrame, float]]:
        """Take a decoded frame; yield the frames whose times are certain."""
        time = self._time(frame)
        is_sorted = self._has_presentation_times or self._codec.reorder_depth == 0
        step_back = 0.0 if self._latest is None else self._latest - time
        if step_back > (_JOIN_INTERVALS if is_sorted else _MAX_REORDERED_FRAMES) * self._interval:
            yield from self.flush()
            assert self._last is not None
            self._offset = self._last + self._interval - time
            self._latest = None
        self._latest = time if self._latest is None else max(time, self._latest)
        self._waiting.append(frame)
        heapq.heappush(self._times, time + self._offset)
        while len(self._waiting) > (0 if is_sorted else _MAX_REORDERED_FRAMES):
            yield self._next()

    def flush(self) -> Iterator[tuple[av.VideoFrame, float]]:
        """Yield the frames that are still waiting."""
        while self._waiting:
            yield self._next()

    def _time(self, frame: av.VideoFrame) -> float:
        """Return the time of a frame in the file, in seconds."""
        pts = frame.dts if frame.pts is None else frame.pts
        tick = frame.time_base
        if pts is not None and tick is not None:
            return pts * tick.numerator / tick.denominator  # faster than a product of fractions
        # A frame without a time follows the one before.
        return 0.0 if self._latest is None else self._latest + self._interval

    def _next(self) -> tuple[av.VideoFrame, float]:
        time = heapq.heappop(self._times)
        if self._last is not None and time < self._last + self._tick / 2:
            time = self._last + self._tick / 8  # equal times are spread a little
        self._last = time
        return self._waiting.popleft(), time
