"""What packets of H.264 and HEVC hold, written by hand."""

import av
import pytest

from tacref.data.fields import may_hold_fields
from tacref.data.units import KeyPacket, holds_picture

START = b"\0\0\1"
# SEI units (type 6) of one message: kind, length, content, stop bit.
EXACT, NEAR, LATER = b"\xc8", b"\x88", b"\x40"  # recovered at once and exactly; nearly; in 1 frame


def sei(content, kind=6):
    return b"\x06" + bytes((kind, len(content))) + content + b"\x80"


def packet(*units):
    return av.Packet(b"".join(START + unit for unit in units))


@pytest.mark.parametrize(
    ("units", "is_start", "is_closed"),
    [
        ([b"\x65abc"], True, True),
        ([b"\x67abc", b"\x68ab", b"\x65abc"], True, True),
        ([sei(EXACT), b"\x41abc"], True, False),
        ([sei(NEAR), b"\x41abc"], False, False),
        ([sei(LATER), b"\x41abc"], False, False),
        ([sei(bytes(20), 5), sei(EXACT), b"\x41abc"], True, False),
        ([b"\x41abc"], False, False),
        # A message of two zeros and a three, with the byte that keeps start codes out, before it.
        ([b"\x06\x05\x03\0\0\x03\x03\x06\x01" + EXACT + b"\x80", b"\x41abc"], True, False),
    ],
)
def test_key_frames_of_h264(units, is_start, is_closed):
    key = KeyPacket(packet(*units), "h264", None)
    assert (key.is_start, key.is_closed) == (is_start, is_closed)
    assert holds_picture(packet(*units), "h264", None)


def test_units_with_lengths():
    data = b"".join(len(unit).to_bytes(4, "big") + unit for unit in (sei(EXACT), b"\x41abc"))
    avcc = b"\x01\x64\0\x0a\xff\xe0\0"
    assert KeyPacket(av.Packet(data), "h264", avcc).is_start
    assert not holds_picture(av.Packet(data[: 4 + len(sei(EXACT))]), "h264", avcc)


@pytest.mark.parametrize(
    ("kind", "is_start", "is_closed"),
    [(19, True, True), (20, True, True), (21, True, False), (1, False, False)],
)
def test_key_frames_of_hevc(kind, is_start, is_closed):
    key = KeyPacket(packet(bytes((kind << 1, 1)) + b"abc"), "hevc", None)
    assert (key.is_start, key.is_closed) == (is_start, is_closed)


def test_orientation():
    assert KeyPacket(packet(sei(b"\x10\0", 47), b"\x65a"), "h264", None).states_orientation
    assert not KeyPacket(packet(sei(EXACT), b"\x65a"), "h264", None).states_orientation


def test_fields(tmp_path):
    from tests.data.video_files import encode

    for name, options, fields in (
        ("frames", "", False),
        ("interlaced", "interlaced=1", True),
        ("matrices", "cqm=jvt", False),
    ):
        path = encode(tmp_path / f"{name}.mp4", options={"x264-params": options}, count=3)
        with av.open(str(path)) as file:
            assert may_hold_fields(file.streams.video[0].codec_context.extradata) == fields
    assert may_hold_fields(None)
    assert may_hold_fields(b"\0\0\1\x67\x64")
