"""Times of frames: always rising, in the order in which the frames are shown."""

import heapq
from collections import deque
from collections.abc import Iterator

import av

# No codec reorders frames over a longer stretch.
_REORDERED = 16
# A step back by more intervals than this, of times of showing, is another clip joined to the end.
_JOIN = 2.5


class Clock:
    """Gives the frames of a stream rising times.

    Some containers (AVI, and files made by programs that copy decoding times) do not say when a
    frame is shown: their times are those of decoding. With B-frames these come out in another
    order than the frames; sorted, they are right. Where one clip is joined to another, time starts
    again: it goes on instead.

    Parameters
    ----------
    stream : VideoStream
        The stream that is decoded.
    interval : float
        Seconds from one frame to the next, for frames that have no time.
    live : bool
        Give every frame at once, at the time that it has; only time that goes back is mended.
    """

    def __init__(self, stream: av.VideoStream, interval: float, *, live: bool = False) -> None:
        self._codec, self._interval = stream.codec_context, interval
        self._tick = float(stream.time_base) if stream.time_base else 1e-6
        self._latest_pts: int | None = None  # of the packets
        # AVI never says when a frame is shown; ffmpeg invents times that may go back all the same.
        self._invented = stream.container.format.name == "avi"
        self._shows_order = live
        self._waiting: deque[av.VideoFrame] = deque()
        self._times: list[float] = []  # a heap, of the waiting frames
        self._offset = 0.0
        self._latest: float | None = None  # of the frames that came, as the file has it
        self._last: float | None = None  # that was given

    def see(self, packet: av.Packet) -> None:
        """Look at a packet before it is decoded: times that go back are those of showing."""
        if packet.pts is None or self._shows_order or self._invented:
            return
        if self._latest_pts is not None and packet.pts < self._latest_pts:
            self._shows_order = True
        else:
            self._latest_pts = packet.pts

    def add(self, frame: av.VideoFrame) -> Iterator[tuple[av.VideoFrame, float]]:
        """Take a decoded frame; give those whose times are certain."""
        time = self._time(frame)
        is_sorted = self._shows_order or self._codec.reorder_depth == 0
        step_back = 0.0 if self._latest is None else self._latest - time
        if step_back > (_JOIN if is_sorted else _REORDERED) * self._interval:
            yield from self.rest()
            assert self._last is not None
            self._offset = self._last + self._interval - time
            self._latest = None
        self._latest = time if self._latest is None else max(time, self._latest)
        self._waiting.append(frame)
        heapq.heappush(self._times, time + self._offset)
        while len(self._waiting) > (0 if is_sorted else _REORDERED):
            yield self._next()

    def rest(self) -> Iterator[tuple[av.VideoFrame, float]]:
        """Give the frames that are still waiting."""
        while self._waiting:
            yield self._next()

    def _time(self, frame: av.VideoFrame) -> float:
        """Return a frame's time as the file has it, in seconds."""
        pts = frame.dts if frame.pts is None else frame.pts
        if pts is not None and frame.time_base is not None:
            return float(pts * frame.time_base)
        # Without a time of its own, a frame follows the one before.
        return 0.0 if self._latest is None else self._latest + self._interval

    def _next(self) -> tuple[av.VideoFrame, float]:
        time = heapq.heappop(self._times)
        if self._last is not None and time < self._last + self._tick / 2:
            time = self._last + self._tick / 8  # of frames at one time, each is a little later
        self._last = time
        return self._waiting.popleft(), time
