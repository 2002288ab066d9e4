"""What the packets and frames of a stream tell of damage while it is decoded from its start."""

from collections import Counter

import av

from tacref.data.units import holds_picture

# Packets from where a transport stream's count breaks off to where its time starts again.
_PACKETS_TO_A_JOIN = 20


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
        halves = self._codec == "h264" and self._context.field_order > 1  # a packet may be a field
        if self._codec in ("h264", "hevc", "av1") and not halves:
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
        # breaks off, too, though nothing is lost; but then time starts again, soon.
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

    def see_end(self) -> None:
        """At the end, look for packets that held a picture and gave no frame.

        Those before the first frame refer to others that are not in the file.

        Raises
        ------
        DamageError
            If there are any.
        """
        if self._pending and self._first is not None:
            pending = self._pending.items()
            if any(count for pts, count in pending if pts > self._first):
                raise DamageError
