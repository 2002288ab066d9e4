"""The outcome of a training run."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tacref.training.stopwatch import PARTS


@dataclass
class Result:
    """The outcome of a training run.

    Parameters
    ----------
    run : Path
        Its folder.
    steps : int
        Steps done, including those before a resume.
    seconds : float
        Time of training, including that before a resume.
    signal : int
        Number of the signal that ended it; 0 if it finished.
    resumed_at : int
        Steps done when it was resumed; 0 if it was not.
    tau_untrained, tau_trained : dict of str to float
        Kendall's tau by activity; empty if it was not measured.
    skipped : dict of str to int
        Clips that could not be read, and how often each was replaced.
    milliseconds : dict of str to float
        Mean time of a step, and of its parts.
    """

    run: Path
    steps: int = 0
    seconds: float = 0.0
    signal: int = 0
    resumed_at: int = 0
    tau_untrained: dict[str, float] = field(default_factory=dict)
    tau_trained: dict[str, float] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def interrupted(self) -> bool:
        """True if a signal ended the run before its last step."""
        return self.signal != 0

    @property
    def status(self) -> int:
        """The command's exit status: 0, or 128 + signal as in shells."""
        return 128 + self.signal if self.signal else 0

    def note_skipped(self, message: str) -> bool:
        """Count a clip that could not be read; True the first time."""
        new = message not in self.skipped
        self.skipped[message] = self.skipped.get(message, 0) + 1
        return new

    def __str__(self) -> str:
        """Return a summary of a few lines."""
        lines = [f"{self.run}: {self.steps} steps in {self.seconds:.0f} s"]
        if self.interrupted:
            lines[0] += f", interrupted; --resume {self.run} continues"
        if self.milliseconds:
            step = self.milliseconds["step"]
            shares = ", ".join(f"{name} {self.milliseconds[name] / step:.0%}" for name in PARTS)
            lines.append(f"a step of {step:.1f} ms: {shares}")
        if self.skipped:
            lines.append(
                f"clips that could not be read: {len(self.skipped)}, "
                f"replaced {sum(self.skipped.values())} times"
            )
        if self.tau_trained:
            title = "Kendall's tau on held-out clips (stride 1)"
            lines.append(f"{title}{'untrained':>11}{'trained':>9}")
            width = len(title) - 2
            lines.extend(
                f"  {name:<{width}}{self.tau_untrained.get(name, math.nan):11.3f}{tau:9.3f}"
                for name, tau in self.tau_trained.items()
            )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self) | {"run": str(self.run), "interrupted": self.interrupted}
