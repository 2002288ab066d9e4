"""Items read ahead by a thread, while the caller works on those before."""

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

from tacref.cores import threads_available

T = TypeVar("T")
# How often a thread whose items nobody takes looks whether it should end.
_SECONDS_BETWEEN_LOOKS = 0.1


def read_ahead(items: Iterator[T], count: int) -> Iterator[T]:
    """Yield items in their order; up to `count` of them are made before they are asked for.

    The items are made, and the iterator is closed, by a thread of its own; on a machine with one
    core by the caller. Once this iterator is closed or the caller fails, no more are made.

    Parameters
    ----------
    items : iterator
        Its work releases the GIL, or nothing is gained.
    count : int
        How many items may wait, >= 1.

    Yields
    ------
    object
        Each item.

    Raises
    ------
    BaseException
        What the iterator raises, after the items before.
    """
    if threads_available() == 1:
        yield from items
        return
    # An item, or last what the iterator ended with: None or an exception.
    waiting: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(count)
    ended = threading.Event()

    def put(entry: tuple[bool, T | BaseException | None]) -> bool:
        while not ended.is_set():
            try:
                waiting.put(entry, timeout=_SECONDS_BETWEEN_LOOKS)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not put((True, item)):
                    break
        except BaseException as raised:
            error = raised
        close = getattr(items, "close", None)
        if close is not None:
            close()
        put((False, error))

    thread = threading.Thread(target=make, name="tacref-ahead", daemon=True)
    thread.start()
    try:
        while True:
            is_item, value = waiting.get()
            if is_item:
                yield value  # type: ignore[misc]
            elif value is None:
                return
            else:
                raise value  # type: ignore[misc]
    finally:
        ended.set()
        thread.join()
