"""How the time of a step is spent."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# "decode" is the time that a step waits for its clips; "transfer", "encoder" and "loss" are
# measured as it computes. The rest, such as the optimizer and checkpoints, is "other".
PARTS = ("decode", "transfer", "encoder", "loss", "other")


class Stopwatch:
    """Seconds by part, summed over steps.

    The first step, which loads and compiles, counts only as long as it is the only one.

    A GPU computes while Python continues: there, parts are measured by events on the device, which
    are read when the step is over.

    Parameters
    ----------
    device : str
        The torch device that computes.
    """

    def __init__(self, device: str) -> None:
        self.on_gpu = torch.device(device).type == "cuda"
        self.seconds = dict.fromkeys(PARTS[:-1], 0.0)
        self.timed_steps = 0
        self.total = 0.0
        self._first_step: dict[str, float] | None = None
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

    def end_step(self, waited: float) -> None:
        """End a step that waited `waited` seconds for its clips, once the device is done."""
        for name, start, end in self._events:
            end.synchronize()
            self.seconds[name] += start.elapsed_time(end) / 1000
        self._events.clear()
        self.seconds["decode"] += waited
        self.timed_steps += 1
        now = time.perf_counter()
        self.total += now - self._start
        self._start = now
        if self._first_step is None:
            self._first_step = self.milliseconds()
            self.seconds = dict.fromkeys(self.seconds, 0.0)
            self.timed_steps, self.total = 0, 0.0

    def skip(self) -> None:
        """Do not count the time since the last step, which was not training."""
        self._start = time.perf_counter()

    def milliseconds(self) -> dict[str, float]:
        """Return the mean of each part, and of the whole "step"; {} if there was no step."""
        if self.timed_steps == 0:
            return dict(self._first_step or {})
        parts = {name: 1000 * value / self.timed_steps for name, value in self.seconds.items()}
        whole = 1000 * self.total / self.timed_steps
        parts["other"] = max(0.0, whole - sum(parts.values()))
        return {"step": round(whole, 3)} | {name: round(parts[name], 3) for name in PARTS}
