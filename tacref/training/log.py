"""What a run says on stderr: single lines, and its progress where no bar can be shown."""

import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from tqdm import tqdm

SECONDS = 30.0  # between lines of progress


def say(line: str) -> None:
    """Print a line at once, above a progress bar; that nobody reads it any more is no error."""
    with suppress(OSError):
        tqdm.write(line, file=sys.stderr)
        sys.stderr.flush()


def shows_bars() -> bool:
    """Return whether stderr is a terminal, on which progress bars are shown."""
    return sys.stderr.isatty()


class ProgressLog:
    """Lines of progress for a log: one after the first step, then one about every 30 seconds.

    Parameters
    ----------
    steps : int
        Steps of the whole run.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._first: tuple[int, float] | None = None
        self._said = 0.0

    def step(self, done: int, numbers: Mapping[str, float]) -> None:
        """Note that so many steps are done, and what the last one came to."""
        now = time.monotonic()
        if self._first is not None and now - self._said < SECONDS:
            return
        self._said = now
        left = ""
        if self._first is None:
            self._first = done, now  # without the time of the first step, which loads and compiles
        else:
            first, start = self._first
            seconds = (self._steps - done) * (now - start) / (done - first)
            left = f", about {tqdm.format_interval(seconds)} left"
        terms = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        say(f"step {done} of {self._steps}: {terms}{left}")
