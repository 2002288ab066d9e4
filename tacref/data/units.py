"""The content of H.264 and HEVC packets, from the units that they consist of."""

from collections.abc import Iterator

import av

# Types of units (ITU-T H.264, table 7-1; H.265, table 7-1), and of messages in them (annex D).
_H264_PICTURES, _H264_IDR, _H264_SEI = (1, 2, 5), 5, 6
_H265_PICTURES, _H265_CLOSED = range(32), (19, 20)
_H265_RANDOM_ACCESS, _H265_SEI = range(16, 22), 39
_RECOVERY_POINT, _DISPLAY_ORIENTATION = 6, 47


class KeyPacket:
    """The content of a packet that its container marks as a key frame.

    Containers also mark frames that start to refresh the picture strip by strip, and frames past
    which others refer.

    Parameters
    ----------
    packet : Packet
        The packet.
    codec : str
        ffmpeg's name of its codec.
    extradata : bytes, optional
        Of its codec; determines the layout of the units in a packet.
    """

    def __init__(self, packet: av.Packet, codec: str, extradata: bytes | None) -> None:
        self.is_start = self.is_closed = codec not in ("h264", "hevc")
        self.states_orientation = False
        if codec == "h264":
            for unit in _units(packet, extradata, at=4):
                kind = unit[0] & 0x1F
                self.is_closed |= kind == _H264_IDR
                if kind == _H264_SEI:
                    self._read_messages(unit[1:])
        elif codec == "hevc":
            for unit in _units(packet, extradata, at=21):
                kind = unit[0] >> 1 & 0x3F
                self.is_start |= kind in _H265_RANDOM_ACCESS
                self.is_closed |= kind in _H265_CLOSED
                if kind == _H265_SEI:
                    self._read_messages(unit[2:])
        self.is_start |= self.is_closed

    is_start: bool
    """True if all frames shown from this one on can be decoded starting here."""

    is_closed: bool
    """True if no frame after it in the file refers to one before it."""

    states_orientation: bool
    """True if it states how pictures are turned, which also holds for the following frames."""

    def _read_messages(self, messages: bytes) -> None:
        for kind, content in _messages(messages):
            # "Recovered after 0 frames" is a single bit 1; the next bit says that this is exact.
            self.is_start |= kind == _RECOVERY_POINT and content[:1] >= b"\xc0"
            self.states_orientation |= kind == _DISPLAY_ORIENTATION


def holds_picture(packet: av.Packet, codec: str, extradata: bytes | None) -> bool:
    """Return whether a packet holds a picture, not only settings."""
    if codec == "h264":
        return any(unit[0] & 0x1F in _H264_PICTURES for unit in _units(packet, extradata, at=4))
    if codec == "hevc":
        units = _units(packet, extradata, at=21)
        return any(unit[0] >> 1 & 0x3F in _H265_PICTURES for unit in units)
    return True


def _units(packet: av.Packet, extradata: bytes | None, *, at: int) -> Iterator[bytes]:
    """Yield the NAL units of a packet, up to the first kilobyte of each."""
    data = bytes(packet)
    if extradata and extradata[0] == 1:  # units begin with lengths, whose size is at byte `at`
        bytes_of_length = (extradata[at] & 3) + 1
        start = 0
        while start + bytes_of_length < len(data):
            begin = start + bytes_of_length
            length = int.from_bytes(data[start:begin], "big")
            if length:
                yield data[begin : begin + min(length, 1024)]
            start = begin + length
    else:  # units begin with start codes
        start = data.find(b"\0\0\1")
        while 0 <= start < len(data) - 3:
            begin, start = start + 3, data.find(b"\0\0\1", start + 3)
            yield data[begin : begin + 1024 if start < 0 else min(start, begin + 1024)]


def _messages(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the messages of an SEI unit: kind and content."""
    payload = payload.replace(b"\0\0\3", b"\0\0")  # bytes that prevent start codes
    at = 0
    while at + 2 <= len(payload) and payload[at] != 0x80:
        numbers = []
        for _ in range(2):  # kind and length: sums of bytes up to one that is not 255
            number = 0
            while at < len(payload) and payload[at] == 255:
                number, at = number + 255, at + 1
            if at == len(payload):
                return
            numbers.append(number + payload[at])
            at += 1
        kind, length = numbers
        yield kind, payload[at : at + length]
        at += length
