"""Memory that does not suffice: one kind of error for it, whoever ran out of it."""

import errno
import mmap
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# What the allocators of torch, CUDA's libraries, C++ and onnxruntime say, and the dynamic linker.
_WORDS = re.compile(
    "out of memory|not enough memory|can't allocate memory|failed to allocate memory|bad.?alloc"
    "|ALLOC_FAILED|cannot allocate memory|failed to map segment",
    re.IGNORECASE,
)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error, of any library, says that memory does not suffice."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    # onnxruntime's errors are of no common class; of the others an OSError is the linker's.
    ours = isinstance(error, RuntimeError | ImportError | OSError)
    ours = ours or type(error).__module__.startswith("onnxruntime")
    return ours and _WORDS.search(str(error)) is not None


def check_address_space(size: int, need: str) -> None:
    """Check that a process may map this much more, before a library that fails badly needs it.

    Nothing is allocated: only a limit (`ulimit -v`) refuses it.

    Raises
    ------
    MemoryError
        Says what it was needed for.
    """
    if sys.platform == "win32":
        return
    try:
        mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0).close()
    except OSError:
        raise MemoryError(
            f"not enough memory for {need}: {size >> 20} MB more of address space (ulimit -v)"
        ) from None


@contextmanager
def memory_errors(need: str = "", *, advice: str = "") -> Iterator[None]:
    """Raise MemoryError in place of whatever a library raises where memory runs out.

    Parameters
    ----------
    need : str
        What it was wanted for, such as "frames of shape (90, 720, 1280, 3)". By default the
        message has the library's own words.
    advice : str
        What may be done, for the message.

    Raises
    ------
    MemoryError
        In one line.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        # NumPy says how much it wanted, and a block within this one what for.
        said = str(error).strip() if isinstance(error, MemoryError) else ""
        said = said or (f"not enough memory for {need}" if need else _first_words(error))
        raise MemoryError(f"{said}; {advice}" if advice else said) from None


def _first_words(error: Exception) -> str:
    line = re.sub(r"^\[enforce fail[^]]*\][^.]*\. ", "", str(error).strip().partition("\n")[0])
    # "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...": the first two say it.
    return ". ".join(line.split(". ")[:2]).rstrip(".") or "out of memory"
