"""What a run records: metrics.jsonl, and TensorBoard events where that is installed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tacref.files import replacing
from tacref.text_files import read_metrics

METRICS = "metrics.jsonl"
EVENTS = "tensorboard"


class Metrics:
    """A run's metrics, open for more lines.

    Parameters
    ----------
    run : Path
        The run's folder.
    keep : callable, optional
        Which of the existing lines stay when a run is resumed; by default none.
    step : int
        Steps done so far.
    """

    def __init__(
        self, run: Path, keep: Callable[[dict[str, Any]], bool] | None = None, step: int = 0
    ) -> None:
        path = run / METRICS
        lines = read_metrics(path) if keep is not None and path.exists() else []
        with replacing(path) as temporary:
            kept = (json.dumps(line) + "\n" for line in lines if keep is not None and keep(line))
            temporary.write_text("".join(kept), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")
        writer = _event_writer()
        self._events = None if writer is None else writer(run / EVENTS, purge_step=step + 1)

    def write(self, step: int, **values: Any) -> None:
        """Write a line, and an event for each number, also those in dictionaries."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        if self._events is not None:
            for name, value in values.items():
                for tag, number in (
                    ((f"{name}/{key}", item) for key, item in value.items())
                    if isinstance(value, dict)
                    else ((name, value),)
                ):
                    self._events.add_scalar(tag, number, step)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._events is not None:
            self._events.close()


def _event_writer() -> Any:
    """Return torch's writer of events; None where TensorBoard is not installed, or broken."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # also if the current folder has one of that name
        return None
    except Exception as error:  # such as a protobuf that it was not made for
        print(f"no events are written: TensorBoard does not load ({error})", file=sys.stderr)
        return None
    return SummaryWriter
