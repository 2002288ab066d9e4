"""Out of memory, as one kind of error."""

from collections.abc import Iterator
from contextlib import contextmanager

# What torch, CUDA's libraries and onnxruntime say. Their kinds of error share no base class, and
# onnxruntime's is the one it raises for anything else.
_SIGNS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "Failed to allocate memory",
    "ALLOC_FAILED",
    "bad_alloc",
)


@contextmanager
def memory_errors(need: str) -> Iterator[None]:
    """Raise MemoryError in place of whatever a library raises where memory runs out.

    Parameters
    ----------
    need : str
        What it was wanted for, such as "frames of shape (90, 720, 1280, 3)".

    Raises
    ------
    MemoryError
        Says what the memory was for.
    """
    try:
        yield
    except MemoryError as error:
        if str(error):  # NumPy says how much it wanted, and a block within this one what for
            raise
        raise MemoryError(f"not enough memory for {need}") from None
    except Exception as error:
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        raise MemoryError(f"not enough memory for {need}") from error
