"""What the packets and frames of a stream tell of damage while it is decoded from its start."""

from collections import Counter

import av

from tacref.data.fields import may_code_fields
from tacref.data.units import holds_picture

# Packets from where a transport stream's count breaks off to where its time starts again, and to a
# key frame with which another one begins.
_PACKETS_TO_A_JOIN, _PACKETS_TO_A_KEY = 20, 3


class DamageError(Exception):
    """A stream is damaged."""


class Damage:
    """Watches a stream that is decoded.

    Parameters
    ----------
    container : InputContainer
        The open file.
    stream : VideoStream
        Its stream.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._is_transport_stream = container.format.name == "mpegts"
        self._context = stream.codec_context
        self._codec = self._context.codec.canonical_name
        self._suspect = 0
        self._latest_dts: int | None = None
        # Packets whose frames have not come yet; None where that cannot be told.
        self._pending: Counter[int] | None = None
        # A packet of interlaced H.264 may be half a frame.
        if self._codec in ("h264", "hevc", "av1") and not may_code_fields(self._context):
            self._pending = Counter()
        self._first: int | None = None

    def see_packet(self, packet: av.Packet) -> None:
        """Look at a packet before it is decoded.

        Raises
        ------
        DamageError
            If bytes of it, or of a packet shortly before, are missing.
        """
        # A transport stream counts its packets. Where another one is joined to it the count
        # breaks off, too, though nothing is lost; but then a key frame comes next, or time starts
        # again, soon.
        if packet.is_keyframe and self._suspect > _PACKETS_TO_A_JOIN - _PACKETS_TO_A_KEY:
            self._suspect = 0
        if packet.dts is not None:
            if self._latest_dts is not None and packet.dts < self._latest_dts:
                self._suspect = 0
            self._latest_dts = packet.dts
        if self._suspect == 1 or (self._suspect and packet.size == 0):
            raise DamageError
        self._suspect -= self._suspect > 0
        if packet.is_corrupt:
            if not self._is_transport_stream:
                raise DamageError
            self._suspect = _PACKETS_TO_A_JOIN
        if self._pending is None or packet.size == 0 or packet.is_discard:
            return
        if packet.pts is None:
            self._pending = None
        elif holds_picture(packet, self._codec, self._context.extradata):
            self._pending[packet.pts] += 1

    def see_frame(self, frame: av.VideoFrame) -> None:
        """Look at a frame as it comes.

        Raises
        ------
        DamageError
            If the decoder says that it is damaged.
        """
        if frame.is_corrupt:
            raise DamageError
        if self._pending is not None:
            if frame.pts is None or self._pending[frame.pts] == 0:
                self._pending = None
            else:
                self._pending[frame.pts] -= 1
                self._first = frame.pts if self._first is None else self._first

    @property
    def lost(self) -> int:
        """Pictures, up to now, of which no frame came; without those before the first frame.

        They refer to others that are not in the file, as where clips were joined, or are damaged.
        """
        if not self._pending or self._first is None:
            return 0
        return sum(count for pts, count in self._pending.items() if pts > self._first)
