"""Whether H.264 may code fields: half frames of interlaced pictures, in separate packets."""

import av

# Profiles whose parameters begin with the format of their colors (ITU-T H.264, 7.3.2.1.1).
_WITH_COLORS = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244))
_PARAMETERS = 7  # the type of a unit


def may_code_fields(context: av.VideoCodecContext) -> bool:
    """Return whether a stream, of any codec, may be H.264 with fields."""
    return context.codec.canonical_name == "h264" and may_hold_fields(context.extradata)


def may_hold_fields(extradata: bytes | None) -> bool:
    """Return whether H.264 may code fields, according to its sequence parameters.

    Parameters
    ----------
    extradata : bytes, optional
        Of the codec. The answer is True if it holds no parameters.
    """
    if not extradata:
        return True
    if extradata[0] == 1:  # avcC: six bytes, then the length of the parameters, then these
        parameters = extradata[8 : 8 + int.from_bytes(extradata[6:8], "big")]
    else:
        units = extradata.split(b"\0\0\1")
        parameters = next(
            (unit for unit in units if unit[:1] and unit[0] & 0x1F == _PARAMETERS), b""
        )
    try:
        return not _frames_only(_Bits(parameters[1:].replace(b"\0\0\3", b"\0\0")))
    except ValueError:  # cut off
        return True


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        """Read a number of `count` bits; raise ValueError beyond the end."""
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def code(self) -> int:
        """Read a number in Exp-Golomb code."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        code = self.code()
        return (code + 1) // 2 if code % 2 else -code // 2


def _frames_only(bits: _Bits) -> bool:
    """Read frame_mbs_only_flag and everything before it."""
    profile = bits.take(8)
    bits.take(16)
    bits.code()
    if profile in _WITH_COLORS:
        color_format = bits.code()
        if color_format == 3:
            bits.take(1)
        bits.code()
        bits.code()
        bits.take(1)
        if bits.take(1):
            for number in range(12 if color_format == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    bits.code()
    order = bits.code()
    if order == 0:
        bits.code()
    elif order == 1:
        bits.take(1)
        bits.code()
        bits.code()
        for _ in range(bits.code()):
            bits.code()
    bits.code()
    bits.take(1)
    bits.code()
    bits.code()
    return bits.take(1) == 1


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last
