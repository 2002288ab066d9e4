"""Which packets a video can be decoded from, told by what is in them."""

from collections.abc import Iterator

import av

# The types of NAL units (ITU-T H.264, table 7-1; H.265, table 7-1).
_H264_IDR, _H264_SEI = 5, 6
_H265_RANDOM_ACCESS = range(16, 22)
# Messages (H.264, annex D).
_RECOVERY_POINT = 6


def is_start(packet: av.Packet, codec: str, extradata: bytes | None) -> bool:
    """Return whether all frames shown from a key frame on can be decoded from it.

    Containers also mark as key frames those from which a picture is refreshed strip by strip, and
    frames that others refer past.

    Parameters
    ----------
    packet : Packet
        One that its container marks as a key frame.
    codec : str
        Its codec.
    extradata : bytes, optional
        Of its codec; says how the units in a packet are laid out.
    """
    if codec == "h264":
        for unit in _units(packet, extradata, at=4):
            kind = unit[0] & 0x1F
            if kind == _H264_IDR:
                return True
            if kind == _H264_SEI:
                # "Recovered after 0 frames" is a single bit 1.
                recovered = (m[:1] for k, m in _messages(unit[1:]) if k == _RECOVERY_POINT)
                if any(first and first[0] & 0x80 for first in recovered):
                    return True
        return False
    if codec == "hevc":
        units = _units(packet, extradata, at=21)
        return any(unit[0] >> 1 & 0x3F in _H265_RANDOM_ACCESS for unit in units)
    return True


def _units(packet: av.Packet, extradata: bytes | None, *, at: int) -> Iterator[bytes]:
    """Cut a packet into its NAL units, as far as their first kilobyte."""
    data = bytes(packet)
    if extradata and extradata[0] == 1:  # lengths before them; their size is at byte `at`
        bytes_of_length = (extradata[at] & 3) + 1
        start = 0
        while start + bytes_of_length < len(data):
            begin = start + bytes_of_length
            length = int.from_bytes(data[start:begin], "big")
            if length:
                yield data[begin : begin + min(length, 1024)]
            start = begin + length
    else:  # start codes before them
        start = data.find(b"\0\0\1")
        while 0 <= start < len(data) - 3:
            begin, start = start + 3, data.find(b"\0\0\1", start + 3)
            yield data[begin : begin + 1024 if start < 0 else min(start, begin + 1024)]


def _messages(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Read the messages of an SEI unit: their kind and content."""
    payload = payload.replace(b"\0\0\3", b"\0\0")  # the bytes that keep start codes out
    at = 0
    while at + 2 <= len(payload) and payload[at] != 0x80:
        numbers = []
        for _ in range(2):  # kind and length, each as a sum of bytes up to one that is not 255
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
