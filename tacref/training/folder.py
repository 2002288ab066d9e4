"""A run's folder: which one it is, its lock, and what an attempt that was killed left there."""

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
_TORCHRUN_NOTE = ".torchrun"  # names the torchrun that began the run, for its restarts
_WORK = "training"  # of those who hold the lock


@contextmanager
def run_folder(out: str | None, resume: str | None, ranks: Ranks) -> Iterator[tuple[Path, bool]]:
    """Hold a run's folder for the length of a block; no other process can train in it.

    If the block fails before an encoder is saved there, what was made in it is removed.

    Parameters
    ----------
    out : str, optional
        Folder of a new run; by default the next one of runs/001, 002, ...
    resume : str, optional
        Folder of a run to continue.
    ranks : Ranks
        The processes; the first one holds the folder for all.

    Yields
    ------
    run : Path
        The folder.
    continues : bool
        True if the run is continued, or this torchrun began it before a restart.

    Raises
    ------
    FileNotFoundError
        If there is no run to continue.
    ValueError
        If the folder of a new run is not empty, or another process writes the run.
    """
    if resume is not None:
        run = Path(resume)
        if not (run / CONFIG).is_file():
            killed = (run / LOCK).exists()
            hint = (
                "; it was ended before its first step, start it again with --out" if killed else ""
            )
            raise FileNotFoundError(f"{run}: no run to continue, {CONFIG} is missing{hint}")
    elif out is not None:
        run = Path(out)
    elif ranks.job is not None:
        raise ValueError("--out must be given under torchrun, so that all processes agree")
    if not ranks.first:  # they may be late, when the folder is in use
        yield run, resume is not None
        return
    new_folders: list[Path] = []
    if resume is None and out is None:
        run, new_folders = _next_run()
    continues = resume is not None or _began_by(run, ranks)
    if not continues and not (run / LOCK).exists():
        check_new_folder(run)  # before anything is written there
    new_folders += make_folders(run)
    try:
        with locked(run, _WORK) as last_holder:
            if last_holder.endswith(_WORK) and not _has_encoder(run):
                _remove_leftovers(run, restarted=continues)
            if not continues:
                check_new_folder(run)
                if ranks.job is not None:
                    (run / _TORCHRUN_NOTE).write_text(ranks.job, encoding="utf-8")
            try:
                yield run, continues
            except BaseException:
                if not _has_encoder(run):
                    _remove_leftovers(run)
                raise
    finally:
        for folder in reversed(new_folders):  # those that stayed empty
            with suppress(OSError):
                folder.rmdir()


def _next_run() -> tuple[Path, list[Path]]:
    for number in count(1):
        run = Path("runs") / f"{number:03d}"
        if not run.exists():
            check_new_folder(run)
            new_folders = make_folders(run)
            if run in new_folders:  # not another process's
                return run, new_folders
    raise AssertionError


def _began_by(run: Path, ranks: Ranks) -> bool:
    note = run / _TORCHRUN_NOTE
    return ranks.job is not None and note.is_file() and note.read_bytes() == ranks.job.encode()


def _has_encoder(run: Path) -> bool:
    return (run / CONFIG).exists() or bool(checkpoints(run))


def _remove_leftovers(run: Path, *, restarted: bool = False) -> None:
    """Remove what an attempt that saved no encoder made in the empty folder.

    A restart keeps what is whole.
    """
    for leftover in (*run.glob(f".{DATA}-*"), *run.glob(f".{WEIGHTS.partition('.')[0]}-*")):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    (run / f".{DATA}{LOCK}").unlink(missing_ok=True)
    (run / WEIGHTS).unlink(missing_ok=True)
    if not restarted:
        (run / _TORCHRUN_NOTE).unlink(missing_ok=True)
        if holds_activity(run / DATA):
            shutil.rmtree(run / DATA)
