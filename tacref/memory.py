"""Running out of memory: one type of error for it, whichever library raised it."""

import errno
import mmap
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# The words of the allocators of torch, CUDA's libraries, C++ and onnxruntime, and of the linker.
_OUT_OF_MEMORY = re.compile(
    "out of memory|not enough memory|can't allocate memory|failed to allocate memory|bad.?alloc"
    "|ALLOC_FAILED|cannot allocate memory|failed to map segment",
    re.IGNORECASE,
)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error, of any library, says that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    # onnxruntime's errors have no common class; the linker's are OSErrors.
    may_be = isinstance(error, RuntimeError | ImportError | OSError)
    may_be = may_be or type(error).__module__.startswith("onnxruntime")
    return may_be and _OUT_OF_MEMORY.search(str(error)) is not None


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
def memory_errors(purpose: str = "", *, advice: str = "") -> Iterator[None]:
    """Raise MemoryError instead of whatever a library raises when memory runs out.

    Parameters
    ----------
    purpose : str
        What the memory is for, such as "frames of shape (90, 720, 1280, 3)". By default the
        message has the library's own words.
    advice : str
        What can be done about it, for the message.

    Raises
    ------
    MemoryError
        With a message of one line.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        # NumPy says how much it needed, and a block within this one for what.
        message = str(error).strip() if isinstance(error, MemoryError) else ""
        if not message:
            message = f"not enough memory for {purpose}" if purpose else _first_words(error)
        raise MemoryError(f"{message}; {advice}" if advice else message) from None


def _first_words(error: Exception) -> str:
    line = re.sub(r"^\[enforce fail[^]]*\][^.]*\. ", "", str(error).strip().partition("\n")[0])
    # "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...": two sentences will do.
    return ". ".join(line.split(". ")[:2]).rstrip(".") or "out of memory"
