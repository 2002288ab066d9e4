"""Damage that shows in the packets and frames of a stream while it is decoded from its start."""

from collections import Counter

import av

from tacref.data.fields import may_code_fields
from tacref.data.units import holds_picture

# Packets between a gap in the count of a transport stream and the point where times start again, or
# the key frame with which another stream begins.
_PACKETS_TO_A_JOIN, _PACKETS_TO_A_KEY = 20, 3


class DamageError(Exception):
    """A stream is damaged."""


class Damage:
    """Watches a stream while it is decoded.

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
        self._packets_to_join = 0
        self._latest_dts: int | None = None
        # Packets whose frames have not come yet, by time; None if that is unknown.
        self._pending: Counter[int] | None = None
        # A packet of interlaced H.264 may be half a frame.
        if self._codec in ("h264", "hevc", "av1") and not may_code_fields(self._context):
            self._pending = Counter()
        self._first: int | None = None

    def note_packet(self, packet: av.Packet) -> None:
        """Note a packet before it is decoded.

        Raises
        ------
        DamageError
            If bytes of it, or of a packet shortly before, are missing.
        """
        # A transport stream counts its packets. The count also has a gap where another stream is
        # joined and nothing is lost; but there a key frame follows, or times start again, soon.
        if packet.is_keyframe and self._packets_to_join > _PACKETS_TO_A_JOIN - _PACKETS_TO_A_KEY:
            self._packets_to_join = 0
        if packet.dts is not None:
            if self._latest_dts is not None and packet.dts < self._latest_dts:
                self._packets_to_join = 0
            self._latest_dts = packet.dts
        if self._packets_to_join == 1 or (self._packets_to_join and packet.size == 0):
            raise DamageError
        self._packets_to_join -= self._packets_to_join > 0
        if packet.is_corrupt:
            if not self._is_transport_stream:
                raise DamageError
            self._packets_to_join = _PACKETS_TO_A_JOIN
        if self._pending is None or packet.size == 0 or packet.is_discard:
            return
        if packet.pts is None:
            self._pending = None
        elif holds_picture(packet, self._codec, self._context.extradata):
            self._pending[packet.pts] += 1

    def note_frame(self, frame: av.VideoFrame) -> None:
        """Note a decoded frame.

        Raises
        ------
        DamageError
            If the decoder reports that it is damaged.
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
    def lost_pictures(self) -> int:
        """Number of pictures after the first frame for which no frame came so far.

        They are damaged, or refer to pictures that are not in the file, as where clips were joined.
        """
        if not self._pending or self._first is None:
            return 0
        return sum(count for pts, count in self._pending.items() if pts > self._first)
