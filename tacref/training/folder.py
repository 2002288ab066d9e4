"""A run's folder: which one it is, that one process alone writes it, what a killed start left."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from tacref.data.synthetic import holds_activity
from tacref.encoder.storage import CONFIG, WEIGHTS
from tacref.files import check_new_folder, make_folders
from tacref.locks import LOCK, locked
from tacref.training.checkpoint import checkpoints
from tacref.training.distributed import Ranks

DATA = "data"  # the built-in activity
# Says in a run's folder which torchrun began it, so that a restart knows its own.
_STARTED = ".torchrun"
_TRAINING = "training"


@contextmanager
def run_folder(out: str | None, resume: str | None, ranks: Ranks) -> Iterator[tuple[Path, bool]]:
    """Hold a run's folder for the length of a block; no other process can train in it.

    If the block fails before there is an encoder in it, what was made there is removed.

    Parameters
    ----------
    out : str, optional
        Folder of a new run; by default the next one of runs/001, 002, ...
    resume : str, optional
        Folder of a run that goes on.
    ranks : Ranks
        The processes; the first one holds the folder for all.

    Yields
    ------
    run : Path
        The folder.
    goes_on : bool
        Whether it is a run that goes on, or one that this torchrun began before a restart.

    Raises
    ------
    FileNotFoundError
        If there is no run to go on with.
    ValueError
        If the folder of a new run holds something, or another process writes the run.
    """
    if resume is not None:
        run = Path(resume)
        if not (run / CONFIG).is_file():
            killed = (run / LOCK).exists()
            hint = "; it was ended before its first step, start it again by --out" if killed else ""
            raise FileNotFoundError(f"{run}: no run to go on with, {CONFIG} is missing{hint}")
    elif out is not None:
        run = Path(out)
    elif ranks.job is not None:
        raise ValueError("--out must be given under torchrun, so that all processes agree")
    if not ranks.first:  # they may come late, to a folder that is in use
        yield run, resume is not None
        return
    made: list[Path] = []
    if resume is None and out is None:
        run, made = _next_run()
    goes_on = resume is not None or _began_by(run, ranks)
    if not goes_on and not (run / LOCK).exists():
        check_new_folder(run)  # before anything is written there
    made += make_folders(run)
    try:
        with locked(run, _TRAINING) as died:
            if died.endswith(_TRAINING) and not _trained(run):
                _clear(run, restarted=goes_on)
            if not goes_on:
                check_new_folder(run)
                if ranks.job is not None:
                    (run / _STARTED).write_text(ranks.job, encoding="utf-8")
            try:
                yield run, goes_on
            except BaseException:
                if not _trained(run):
                    _clear(run)
                raise
    finally:
        for folder in reversed(made):  # as far as they stayed empty
            with suppress(OSError):
                folder.rmdir()


def _next_run() -> tuple[Path, list[Path]]:
    for number in count(1):
        run = Path("runs") / f"{number:03d}"
        if not run.exists():
            check_new_folder(run)
            made = make_folders(run)
            if run in made:  # not another process's
                return run, made
    raise AssertionError


def _began_by(run: Path, ranks: Ranks) -> bool:
    started = run / _STARTED
    return (
        ranks.job is not None and started.is_file() and started.read_bytes() == ranks.job.encode()
    )


def _trained(run: Path) -> bool:
    return (run / CONFIG).exists() or bool(checkpoints(run))


def _clear(run: Path, *, restarted: bool = False) -> None:
    """Take away what a start that came to no encoder made in the empty folder.

    A restart goes on with what is whole.
    """
    for leftover in (*run.glob(f".{DATA}-*"), *run.glob(f".{WEIGHTS.partition('.')[0]}-*")):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    (run / f".{DATA}{LOCK}").unlink(missing_ok=True)
    (run / WEIGHTS).unlink(missing_ok=True)
    if not restarted:
        (run / _STARTED).unlink(missing_ok=True)
        if holds_activity(run / DATA):
            shutil.rmtree(run / DATA)
