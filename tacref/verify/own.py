"""The project's own implementations, each with the loss that it claims to compute."""

from collections.abc import Iterator

from tacref.verify.kinds import KINDS, Implementation


def implementations() -> Iterator[Implementation]:
    """Yield each public loss and the options to `check` it with."""
    for kind in KINDS.values():
        yield from kind.own()
