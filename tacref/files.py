"""Nothing half-written: files and folders appear under their name only when they are whole."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_RANDOM = 8  # characters that tempfile adds to a name


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` and rename it to `path` if the block succeeds.

    Parameters
    ----------
    path : str or Path
        File to write; its folder is made if need be. An existing file is replaced at once.

    Yields
    ------
    Path
        Where to write, with the suffix of `path`. Removed if the block raises.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=_prefix(path, path.stem, path.suffix), suffix=path.suffix, dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` and rename it to `path` if the block succeeds.

    Parameters
    ----------
    path : str or Path
        Folder to make. It must not exist, or be empty.

    Yields
    ------
    Path
        Where to write. Removed with all it holds if the block raises.

    Raises
    ------
    ValueError
        If `path` is a file or a folder that holds something.
    """
    path = check_new_folder(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=_prefix(path, path.name), dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():  # it may be somebody's current folder, or a mount: keep it, fill it
            for made in temporary.iterdir():
                os.replace(made, path / made.name)
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_json_lines(path: str | Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object a line, up to what a killed process left unfinished."""
    lines = []
    for text in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            break
        if isinstance(line, dict):
            lines.append(line)
    return lines


def check_new_folder(path: str | Path) -> Path:
    """Refuse an output folder that already holds something.

    Raises
    ------
    ValueError
        If `path` is a file or a folder that holds something, nothing can be written there, or
        a name in it is too long.
    """
    path = Path(path)
    _check_names(path)
    if path.is_dir() and any(path.iterdir()):
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
        If `path` is a folder, lies where nothing can be written, or has a name that is too long.
    """
    path = Path(path)
    _check_names(path)
    if path.is_dir():
        raise ValueError(f"{path}: output file is a folder")
    _check_writable(path.parent)
    return path


def _check_writable(folder: Path) -> None:
    existing = folder.resolve()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise ValueError(f"{folder}: cannot be made, {existing} is a file")
    try:  # asking for permission says yes on some file systems that refuse
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise ValueError(f"{folder}: cannot be written ({error.strerror})") from None


def _check_names(path: Path) -> None:
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ValueError(f"{path}: the name is too long for its file system") from None


def _prefix(path: Path, name: str, suffix: str = "") -> str:
    """Return how a temporary name for a path begins: its own name, as far as there is space."""
    try:
        most = os.pathconf(path.parent, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # not on Windows
        most = 255
    space = most - len(os.fsencode(f".-{suffix}")) - _RANDOM
    return f".{os.fsencode(name)[: max(0, space)].decode(errors='ignore')}-"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
