"""Checkpoints: everything that a run needs to continue as if it had never stopped.

Plain tensors, numbers and strings, read without running code. There is no random state among
them: what is drawn depends only on seed, step and pair.
"""

import errno
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from tacref.data import Clip
from tacref.encoder import Encoder, save_encoder
from tacref.encoder.storage import CONFIG, read_config
from tacref.files import replacing
from tacref.memory import memory_errors
from tacref.training.log import say
from tacref.training.task import DEFAULTS, FILES, MAY_CHANGE

CHECKPOINT_FOLDER, BEST_FOLDER = "checkpoints", "best"
FORMAT = 1
_HOW_TO_REPEAT = "--recipe with its config.json and a new --out repeats the run"
# Temporary files that a killed process leaves, each with a dot before it.
_HALF_WRITTEN = ("step-*.pt", "encoder-*.safetensors", "config-*.json", "metrics-*.jsonl",
                 "backbone-*.onnx", "backbone.onnx-*.data")  # fmt: skip
_STATE_KEYS = frozenset(
    ("format", "step", "model", "optimizer", "scaler", "encoder", "settings", "data", "best",
     "seconds", "tau_untrained", "skipped")
)  # fmt: skip


def save_checkpoint(run: Path, state: dict[str, Any], *, keep: int) -> Path:
    """Write a checkpoint, whole or not at all, and remove all but the `keep` newest ones.

    Raises
    ------
    OSError
        If it cannot be written, such as on a full disk; earlier checkpoints stay.
    """
    path = run / CHECKPOINT_FOLDER / f"step-{state['step']:06d}.pt"
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())  # on the disk before the older ones go
    except (OSError, RuntimeError) as error:
        raise OSError(f"{path}: cannot be written ({_reason(error)}); {_remaining(run)}") from None
    for old in checkpoints(run)[:-keep]:
        old.unlink()
    return path


def save_weights(encoder: Encoder, folder: Path, settings: Mapping[str, Any]) -> None:
    """Write an encoder for use, with `settings` in its config.json.

    Raises
    ------
    OSError
        If it cannot be written; an earlier encoder stays.
    """
    try:
        save_encoder(encoder, folder, **settings)
    except OSError as error:  # such as on a full disk
        raise OSError(f"{folder}: the encoder cannot be written ({_reason(error)})") from None


def checkpoints(run: Path) -> list[Path]:
    """Return a run's checkpoints, the newest last."""
    paths = (run / CHECKPOINT_FOLDER).glob("step-*.pt")
    return sorted(
        (path for path in paths if path.stem[5:].isdecimal()), key=lambda path: int(path.stem[5:])
    )


def newest_checkpoint(run: Path) -> Path | None:
    """Return the newest checkpoint that is whole, if there is one.

    A damaged one is set aside, with a line that says so. Half-written files of a killed process
    are removed.

    Raises
    ------
    ValueError
        If all are damaged, or a run that had checkpoints has none left: starting over would
        replace the trained encoder.
    """
    for folder in (run, run / BEST_FOLDER, run / CHECKPOINT_FOLDER):
        for name in _HALF_WRITTEN:
            for leftover in folder.glob(f".{name}"):
                leftover.unlink()
    for path in reversed(checkpoints(run)):
        damage = _damage(path)
        if damage is None:
            return path
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        say(f"{path}: damaged ({damage}), set aside as {aside.name}")
    if any((run / CHECKPOINT_FOLDER).glob("step-*.damaged")):
        raise ValueError(
            f"{run}: has no checkpoint that is whole; its encoder stays as last saved "
            f"({_HOW_TO_REPEAT})"
        )
    if not (run / CONFIG).exists():
        return None
    # The config.json of an older run may lack the step; it may be trained.
    if (step := read_config(run).get("step", "?")) != 0:
        raise ValueError(
            f"{run}: its checkpoints are gone, and to start over would replace the encoder of "
            f"step {step} ({_HOW_TO_REPEAT})"
        )
    return None


def load_checkpoint(
    path: Path,
    *,
    encoder: Mapping[str, Any],
    settings: Mapping[str, Any],
    data: Mapping[str, int],
) -> dict[str, Any]:
    """Read a checkpoint for a run that continues with the same encoder, settings and data.

    Parameters
    ----------
    path : Path
        From `newest_checkpoint`.
    encoder, settings : mapping of str to JSON values
        Those of the run that continues.
    data : mapping of str to int
        From `fingerprint`.

    Raises
    ------
    ValueError
        If one of them differs; the message names it.
    """
    state = _read(path)
    if state["encoder"] != dict(encoder):
        key = next(key for key in encoder if state["encoder"].get(key) != encoder[key])
        raise ValueError(
            f"{path}: is of another encoder, with {key} = {state['encoder'].get(key)!r}, "
            f"not {encoder[key]!r}"
        )
    check_same(state["settings"], settings, str(path))
    for name in sorted({*state["data"], *data}):
        before, now = state["data"].get(name), data.get(name)
        if before != now:
            change = (
                "is new" if before is None
                else "is gone" if now is None
                else f"had {before} bytes and now has {now}"
            )  # fmt: skip
            raise ValueError(
                f"the data changed since {path}: {name} {change}; a resumed run needs the same data"
            )
    return state


def check_same(saved: Mapping[str, Any], settings: Mapping[str, Any], where: str) -> None:
    """Refuse to continue with a key of a recipe that would have given another run.

    A key that `saved` lacks has its default: it was not given, or was introduced after the run.

    Raises
    ------
    ValueError
        If one differs; the message names it and both values.
    """
    saved = DEFAULTS | dict(saved)
    for key, value in settings.items():
        if key in FILES and value is not None:
            value = os.path.abspath(value)
        if key in saved and saved[key] != value and key not in MAY_CHANGE:
            raise ValueError(
                f"{key} cannot change when a run is resumed: it is {saved[key]!r} in {where}, "
                f"got {value!r}"
            )


def fingerprint(clips: Iterable[Clip], data: Path) -> dict[str, int]:
    """Return the size in bytes of each clip, by its path in the data set.

    Sizes of thousands of clips are read quickly; other content of the same size goes unnoticed.
    """
    sizes = {}
    for clip in clips:
        files = sorted(clip.path.iterdir()) if clip.path.is_dir() else [clip.path]
        name = os.path.relpath(clip.path, data)
        sizes[Path(name).as_posix()] = sum(file.stat().st_size for file in files)
    return sizes


def _damage(path: Path) -> str | None:
    """Return what is wrong with a file's bytes; torch does not compare the checksums itself.

    A damaged header can make its readers raise any exception.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip()
        if member is not None:
            return f"{member} differs from its checksum"
        _load(path)
    except MemoryError:
        raise
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # the system's, not due to the bytes
            raise
        return str(error)
    except Exception as error:
        return " ".join(str(error).split())[:200] or type(error).__name__
    return None


def _load(path: Path) -> Any:
    with memory_errors():
        return torch.load(path, map_location="cpu", weights_only=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        state = _load(path)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # torch and pickle raise errors of many types
        raise ValueError(f"{path}: not a checkpoint ({type(error).__name__})") from None
    if not isinstance(state, dict) or "format" not in state:
        raise ValueError(f"{path}: not a checkpoint")
    if state["format"] != FORMAT or set(state) != _STATE_KEYS:
        raise ValueError(
            f"{path}: a checkpoint of format {state['format']!r}; this version reads {FORMAT}"
        )
    return state


def _reason(error: BaseException) -> str:
    """Return the system's message, which torch wraps in an error of its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__context__
    return " ".join(str(error).split())


def _remaining(run: Path) -> str:
    remaining = checkpoints(run)
    return f"{remaining[-1].name} is whole" if remaining else "there is none before it"
