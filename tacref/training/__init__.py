"""The training engine: settings and recipes, steps, checkpoints, several processes.

`tacref train` is the command. The names below load torch when they are first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tacref.training.loop import train
    from tacref.training.metrics import METRICS
    from tacref.training.result import Result
    from tacref.training.settings import Settings
    from tacref.training.step import TrainingDivergedError

__all__ = ["METRICS", "Result", "Settings", "TrainingDivergedError", "train"]

_MODULES = {
    "METRICS": "metrics",
    "Result": "result",
    "Settings": "settings",
    "TrainingDivergedError": "step",
    "train": "loop",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
