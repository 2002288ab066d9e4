"""Memory that does not suffice: one error for it, whoever ran out of it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# torch's CPU allocator, CUDA's and other devices', cuBLAS, cuDNN and nccl; all RuntimeErrors.
_WORDS = re.compile(r"can't allocate memory|not enough memory|out of memory|ALLOC_FAILED")


@contextmanager
def memory_errors(advice: str = "") -> Iterator[None]:
    """Raise a MemoryError for torch's errors that mean one, in one line.

    Parameters
    ----------
    advice : str
        What may be done, for the message.

    Raises
    ------
    MemoryError
        If memory does not suffice in the block.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        words = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not words and not _WORDS.search(str(error)):
            raise
        line = re.sub(r"^\[enforce fail[^]]*\][^.]*\. ", "", str(error).strip().partition("\n")[0])
        # "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...": the first two say it.
        said = ". ".join(line.split(". ")[:2]).rstrip(".") or "out of memory"
        raise MemoryError(f"{said}; {advice}" if advice else said) from None
