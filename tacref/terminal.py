"""What commands print: any text, without control characters, to any stream."""

import contextlib
import os
import re
import sys
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

T = TypeVar("T")

# A bar appears for loops that take longer than this, in seconds.
BAR_DELAY = 3.0

_PACKAGE = Path(__file__).parent
_START_OF_BAR = re.compile(r"(\x1b\[A)+$|\r")


def printable(text: str) -> str:
    r"""Return any text, such as a label or a file name, as one line that is safe on a terminal.

    Control characters, which could move its cursor, and other invisible or invalid characters
    become escapes such as \x1b.
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":  # any kind of space
        return character
    return character.encode("unicode_escape").decode("ascii")


class Output:
    """A standard stream that takes any text and never raises.

    Control characters become escapes, except for line ends and what progress bars need: a carriage
    return at their beginning, and moving up a line. Characters that the stream's encoding lacks
    also become escapes. Once the stream has failed, further output is discarded.

    Parameters
    ----------
    stream : TextIO
        Where to write.

    Attributes
    ----------
    failure : OSError or None
        Why the stream failed, if it did.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        """Be like the stream in everything else."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text and return its length."""
        bar = _START_OF_BAR.match(text)
        start = bar[0] if bar else ""
        shown = start + "\n".join(map(printable, text.removeprefix(start).split("\n")))
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._try(self._stream.write, shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        self._try(self._stream.flush)

    def _try(self, call: Callable[..., Any], *arguments: Any) -> None:
        try:
            call(*arguments)
        except OSError as error:
            self.failure = self.failure or error
            # The buffer is discarded, without another error when the interpreter ends.
            with contextlib.suppress(OSError):
                devnull = os.open(os.devnull, os.O_WRONLY)
                os.dup2(devnull, self._stream.fileno())
                os.close(devnull)


@contextlib.contextmanager
def safe_streams() -> Iterator[Output | None]:
    """Make stdout and stderr each an `Output` for the length of a block.

    Yields
    ------
    Output or None
        Standard output; None if it already was an `Output`.
    """
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_safe, before)
    try:
        yield None if sys.stdout is before[0] else cast(Output, sys.stdout)
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def plain_warnings(title: str) -> Iterator[None]:
    """Print the project's own warnings, such as those of a video, as one line each.

    Parameters
    ----------
    title : str
        The beginning of the line.
    """
    before = warnings.showwarning

    def show(
        message: Warning | str, category: type[Warning], filename: str, *rest: Any, **options: Any
    ) -> None:
        if Path(filename).is_relative_to(_PACKAGE):
            print(f"{title}: warning: {printable(str(message))}", file=sys.stderr)
        else:
            before(message, category, filename, *rest, **options)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def write_failure(out: TextIO) -> OSError | None:
    """Return why a stream can no longer be written, or None if it can."""
    return out.failure if isinstance(out, Output) else None


def _safe(stream: TextIO | None) -> TextIO:
    if isinstance(stream, Output):
        return cast(TextIO, stream)
    if stream is None:  # closed by whoever started the process
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    return cast(TextIO, Output(stream))


def _open_closed_descriptors() -> None:
    """Keep files that are opened later from taking the number of a closed stdin, stdout or stderr.

    A library's C code would print into such a file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one


def progress_bar(
    items: Iterable[T], title: str, total: int | None, unit: str, *, enabled: bool = True
) -> Iterator[T]:
    """Show on a terminal, after a few seconds, how far a loop is and how long it will still take.

    Parameters
    ----------
    items : iterable
        What the loop runs over.
    title : str
        Any text; made printable.
    total : int or None
        How many items there are, if known.
    unit : str
        What an item is.
    enabled : bool
        False for no bar, and without a need of tqdm.
    """
    if not enabled:
        yield from items
        return
    from tqdm import tqdm

    # Made when the loop begins: if two were made at once, one would be shown below the other.
    yield from tqdm(items, printable(title), total, **bar_options(unit))


@contextlib.contextmanager
def counting_bar(title: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that counts one more item and sets the total; threads may call it."""
    from tqdm import tqdm

    lock = threading.Lock()
    with tqdm(desc=printable(title), **bar_options(unit)) as bar:

        def advance(total: int) -> None:
            with lock:
                bar.total = total
                bar.update()

        yield advance


def bar_options(unit: str) -> dict[str, Any]:
    """Return what all bars are made with: for long loops, on a terminal only (disable None)."""
    return {"unit": f" {unit}", "delay": BAR_DELAY, "leave": False, "disable": None}
