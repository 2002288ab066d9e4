"""Nothing half-written: files and folders get their name only when they are complete."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tacref.interrupts import uninterrupted
from tacref.locks import LOCK, locked

_RANDOM_CHARACTERS = 8  # that tempfile adds to a name


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path next to `path` and rename it to `path` if the block succeeds.

    If two processes write the same file, the one that ends last determines it.

    Parameters
    ----------
    path : str or Path
        File to write; its folder is made if necessary. An existing file is replaced in one step.

    Yields
    ------
    Path
        Where to write, with the suffix of `path`. Removed if the block raises.
    """
    path = Path(path)
    with _temporary_file(path) as temporary:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)


@contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path as `replacing` does, but never replace an existing file.

    Parameters
    ----------
    path : str or Path
        File to make; its folder is made if necessary.

    Yields
    ------
    Path
        Where to write, with the suffix of `path`. Removed if the block raises.

    Raises
    ------
    ValueError
        If there is a file at `path`, such as one that another process made in the meantime.
    """
    path = Path(path)
    with _temporary_file(path) as temporary:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        _name_new_file(temporary, path)


@contextmanager
def files_together(paths: Sequence[Path], *, replace: bool) -> Iterator[Path]:
    """Give a temporary folder, and move files from it to their paths if the block succeeds.

    All are moved or none is: if one cannot be moved, what was at the paths before is there again.
    Only a process that is killed in between can leave some of each.

    Parameters
    ----------
    paths : sequence of Path
        Files to make, all in one folder, which is made if necessary. They are moved in this order,
        so one that others need comes first.
    replace : bool
        Whether files that exist are replaced.

    Yields
    ------
    Path
        Where to write them under their own names. Removed with its content in the end.

    Raises
    ------
    ValueError
        If one exists and is not to be replaced; none is moved then.
    """
    parent = paths[-1].parent
    parent.mkdir(parents=True, exist_ok=True)
    folder = _make_temporary_folder(parent, _temporary_prefix(paths[-1], paths[-1].stem))
    try:
        with _full_disk_names(paths[-1]):
            yield folder
        _move(folder, paths, replace)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@uninterrupted
def _move(folder: Path, paths: Sequence[Path], replace: bool) -> None:
    before = Path(tempfile.mkdtemp(dir=folder))
    moved: list[Path] = []
    try:
        for path in paths:
            if replace:
                _keep(path, before / path.name)
                os.replace(folder / path.name, path)
            else:
                _name_new_file(folder / path.name, path)
            moved.append(path)
    except BaseException:
        for path in paths:
            if os.path.lexists(before / path.name):
                os.replace(before / path.name, path)
            elif path in moved:
                path.unlink()
        raise


def _keep(path: Path, kept: Path) -> None:
    """Give what is at a path a second name, or only that one where there are no hard links."""
    if not path.is_symlink():
        if not path.is_file():  # a folder is not replaced
            return
        with suppress(OSError):
            os.link(path, kept)
            return
    os.rename(path, kept)


def _name_new_file(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except OSError as error:
        if isinstance(error, FileExistsError) or path.exists():
            raise ValueError(f"{path}: exists already; name another or remove it") from None
        os.rename(temporary, path)  # on a file system without hard links


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder and rename it to `path` if the block succeeds.

    Parameters
    ----------
    path : str or Path
        Folder to make. It must be absent or empty; another process that wants to make it is
        refused for the length of the block.

    Yields
    ------
    Path
        Where to write. Removed with its content if the block raises.

    Raises
    ------
    ValueError
        If `path` is a file or a folder that is not empty, or another process writes it.
    """
    named = check_new_folder(path)
    path = named.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path) as last_holder:
        check_new_folder(path)
        exists = path.is_dir()  # maybe somebody's current folder, or a mount: it is filled in place
        parent, prefix = (path if exists else path.parent), _temporary_prefix(path, path.name)
        if last_holder:
            for leftover in parent.iterdir():
                if leftover.name[:-_RANDOM_CHARACTERS] == prefix:
                    shutil.rmtree(leftover, ignore_errors=True)
        temporary = _make_temporary_folder(parent, prefix)
        try:
            with _full_disk_names(named):
                yield temporary
            temporary.chmod(0o777 & ~_umask())
            if exists:
                check_new_folder(path)
                for entry in temporary.iterdir():
                    os.replace(entry, path / entry.name)
            else:
                try:
                    os.replace(temporary, path)
                except OSError:  # somebody made and filled it in the meantime
                    check_new_folder(path)
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@uninterrupted
def make_folders(path: Path) -> list[Path]:
    """Make a folder and its parents; return those that were new, the highest first."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    made = []
    for folder in reversed(missing):
        with suppress(FileExistsError):  # another process was faster
            folder.mkdir()
            made.append(folder)
    return made


def check_new_folder(path: str | Path) -> Path:
    """Refuse an output folder that already holds something.

    The lock and hidden files that a killed process left do not count.

    Raises
    ------
    ValueError
        If `path` is a file or a folder that is not empty, nothing can be written there, or a
        name in it is too long.
    """
    path = Path(path)
    _check_name_lengths(path)
    if path.is_dir() and _holds_something(path):
        raise ValueError(f"{path}: output folder is not empty; name a new one or remove it")
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path}: output folder is a file")
    _check_writable(path)
    return path


def check_new_file(path: str | Path) -> Path:
    """Refuse an output file that could not be written.

    Raises
    ------
    ValueError
        If `path` is a folder, is where nothing can be written, or has a name that is too long.
    """
    path = Path(path)
    _check_name_lengths(path)
    if path.is_dir():
        raise ValueError(f"{path}: output file is a folder")
    _check_writable(path.parent)
    return path


@contextmanager
def _temporary_file(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _make_temporary_file(path)
    try:
        with _full_disk_names(path):
            yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _full_disk_names(path: Path) -> Iterator[None]:
    """Let the error of a full disk name the output, not no file or a temporary one."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


@uninterrupted
def _make_temporary_file(path: Path) -> Path:
    handle, name = tempfile.mkstemp(
        prefix=_temporary_prefix(path, path.stem, path.suffix), suffix=path.suffix, dir=path.parent
    )
    os.close(handle)
    return Path(name)


@uninterrupted
def _make_temporary_folder(parent: Path, prefix: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))


def _holds_something(folder: Path) -> bool:
    names = {entry.name for entry in folder.iterdir()}
    return any(not name.startswith(".") for name in names) if LOCK in names else bool(names)


def _check_writable(folder: Path) -> None:
    existing = folder.resolve()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise ValueError(f"{folder}: cannot be made, {existing} is a file")
    try:  # some file systems report permission and still refuse
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise ValueError(f"{folder}: cannot be written ({error.strerror})") from None


def _check_name_lengths(path: Path) -> None:
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ValueError(f"{path}: the name is too long for its file system") from None


def _temporary_prefix(path: Path, name: str, suffix: str = "") -> str:
    """Return how a temporary name for a path begins: with the path's own name, shortened to fit."""
    try:
        max_bytes = os.pathconf(path.parent, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # not on Windows
        max_bytes = 255
    name_bytes = max_bytes - len(os.fsencode(f".-{suffix}")) - _RANDOM_CHARACTERS
    return f".{os.fsencode(name)[: max(0, name_bytes)].decode(errors='ignore')}-"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
