"""Videos of every kind for the tests: pictures that differ from frame to frame, encoded by PyAV."""

import os
from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
from numpy.testing import assert_array_equal

from tacref.data.index import index_video
from tacref.data.seek import read_frames
from tacref.data.video import iter_video


def moving_picture(number, height=48, width=64):
    """Return picture `number`: a texture that moves by two pixels, under a bar of its own level."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 200, (height, width, 3), dtype=np.uint8)
    picture = np.roll(texture, 2 * number, axis=1)
    picture[: height // 4] = 8 * number % 256
    return picture


@contextmanager
def usual_priority():
    """Take back the real-time priority that SVT-AV1's encoder gives a thread of root."""
    try:
        yield
    finally:
        if hasattr(os, "sched_setscheduler"):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def encode(path, codec="libx264", options=None, count=60, pixels="yuv420p", muxer=None, **shape):
    """Write `count` moving pictures at 25 a second; with options of the encoder and the muxer."""
    with usual_priority(), av.open(str(path), "w", options=muxer or {}) as file:
        stream = file.add_stream(codec, rate=25, options=options or {})
        first = moving_picture(0, **shape)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = pixels
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(moving_picture(number, **shape), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def copy(source, target, change):
    """Copy a video's packets, given as a list to `change`, which returns those to write."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = read.streams.video[0]
        packets = [packet for packet in read.demux(stream) if packet.size]
        copied = written.add_stream_from_template(stream)
        for packet in change(packets):
            packet.stream = copied
            written.mux(packet)
    return target


def cut(packets, start):
    """Keep the packets from `start` on, times counted from the first that is shown."""
    packets = packets[start:]
    first = min(packet.pts for packet in packets)
    for packet in packets:
        packet.pts -= first
        packet.dts = None if packet.dts is None else packet.dts - first
    return packets


def times_of_decoding(packets):
    """Give packets the times at which they are decoded, as careless programs do."""
    for number, packet in enumerate(packets):
        packet.pts = packet.dts = number
        packet.time_base = Fraction(1, 25)
    return packets


def decode_everything(path):
    """Return all pictures of the best video stream, by PyAV alone: `(T, H, W, 3)`."""
    with av.open(str(path)) as file:
        frames = file.decode(file.streams.best("video"))
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


def check(path, count=None):
    """Hold the readers against each other and against PyAV; return pictures, times, index."""
    every = decode_everything(path)
    frames, times = zip(*iter_video(path), strict=True)
    assert_array_equal(np.stack(frames), every)
    assert (np.diff(times) > 0).all()
    index = index_video(path)
    assert index.length == len(every)
    assert count is None or index.length == count
    for at in range(0, len(every), 3):
        assert_array_equal(read_frames(path, [at], index)[0], every[at])
    return np.stack(frames), np.array(times), index
