"""Where the time of a step goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# "decode" is what a step waits for its pairs of clips; the others pass as it computes. What is
# in none of them, such as the optimizer and checkpoints, is "other".
PARTS = ("decode", "transfer", "encoder", "loss", "other")


class Stopwatch:
    """Seconds by part, summed over steps.

    The first step, which loads and compiles, counts only as long as it is the only one.

    On a GPU, which computes while Python goes on, parts are measured by events on the device,
    read when a step is over anyhow.

    Parameters
    ----------
    device : str
        The torch device that computes.
    """

    def __init__(self, device: str) -> None:
        self.on_gpu = torch.device(device).type == "cuda"
        self.seconds = dict.fromkeys(PARTS[:-1], 0.0)
        self.steps = 0  # that were timed
        self.total = 0.0
        self._first: dict[str, float] | None = None
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []
        self._start = time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time of a block to a part."""
        if self.on_gpu:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            yield
            end.record()
            self._events.append((name, start, end))
        else:
            began = time.perf_counter()
            yield
            self.seconds[name] += time.perf_counter() - began

    def step(self, waited: float) -> None:
        """End a step that waited so many seconds for its clips, once the device is done with it."""
        for name, start, end in self._events:
            end.synchronize()
            self.seconds[name] += start.elapsed_time(end) / 1000
        self._events.clear()
        self.seconds["decode"] += waited
        self.steps += 1
        now = time.perf_counter()
        self.total += now - self._start
        self._start = now
        if self._first is None:
            self._first = self.milliseconds()
            self.seconds = dict.fromkeys(self.seconds, 0.0)
            self.steps, self.total = 0, 0.0

    def skip(self) -> None:
        """Leave out what passed since the last step, which was no training."""
        self._start = time.perf_counter()

    def milliseconds(self) -> dict[str, float]:
        """Return the mean of each part over the steps and of the whole "step"; {} without any."""
        if self.steps == 0:
            return dict(self._first or {})
        parts = {name: 1000 * value / self.steps for name, value in self.seconds.items()}
        whole = 1000 * self.total / self.steps
        parts["other"] = max(0.0, whole - sum(parts.values()))
        return {"step": round(whole, 3)} | {name: round(parts[name], 3) for name in PARTS}
