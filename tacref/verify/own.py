"""The project's own implementations, each with the loss that it claims to compute."""

from collections.abc import Iterator

from tacref.verify.kinds import KINDS, Implementation
from tacref.verify.kinds.kind import BACKENDS, BACKENDS_ON_CUDA


def implementations(device: str = "cpu") -> Iterator[Implementation]:
    """Yield each public loss and the options to `check` it with, with the backends of a device."""
    for kind in KINDS.values():
        yield from kind.own(BACKENDS if device == "cpu" else BACKENDS_ON_CUDA)
