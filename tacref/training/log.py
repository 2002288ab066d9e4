"""What a run prints on stderr: single lines, and its progress where no bar can be shown."""

import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 30.0


def say(line: str) -> None:
    """Print a line at once, above a progress bar; it is no error if nobody reads it any more."""
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
        self._last_line = 0.0

    def step(self, done: int, numbers: Mapping[str, float]) -> None:
        """Print a line, if one is due, after `done` steps with the numbers of the last one."""
        now = time.monotonic()
        if self._first is not None and now - self._last_line < SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        left = ""
        if self._first is None:
            self._first = done, now  # without the time of the first step, which loads and compiles
        else:
            first, start = self._first
            seconds = (self._steps - done) * (now - start) / (done - first)
            left = f", about {tqdm.format_interval(seconds)} left"
        terms = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        say(f"step {done} of {self._steps}: {terms}{left}")
