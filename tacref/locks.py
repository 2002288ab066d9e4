"""One writer at a time: a lock on an output, which ends with the process that holds it."""

import errno
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tacref.interrupts import uninterrupted

LOCK = ".tacref-lock"
_ALREADY_LOCKED = frozenset((errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK))
_NO_LOCKS = frozenset((errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP))
_LOCKED_BYTE = 1 << 20  # never written: Windows also locks bytes against reading
_MAX_NAME_BYTES = 255


def lock_file(path: Path) -> Path:
    """Return the path of an output's lock: in the folder if it exists, else next to the path."""
    if path.is_dir():
        return path / LOCK
    name = os.fsencode(path.name)[: _MAX_NAME_BYTES - len(LOCK) - 1].decode(errors="ignore")
    return path.parent / f".{name}{LOCK}"


@contextmanager
def locked(path: Path, work: str = "") -> Iterator[str]:
    """Hold an output for the length of a block, so that no other process writes it.

    The operating system keeps the lock on a small hidden file and releases it when the process
    ends, however it ends. The file is removed at the end of the block; a killed process leaves it
    there, where it blocks nobody. Works between machines if their shared file system has locks
    (NFS does, unless mounted without).

    Parameters
    ----------
    path : Path
        The output: a folder that exists, or a path to be made in one that does.
    work : str
        What is being done, to tell those who are refused.

    Yields
    ------
    str
        Who held it last without getting to the end of the block, such as "process 12 on host
        since ..., training"; "" if nobody.

    Raises
    ------
    ValueError
        If another process or thread holds it; says who, and since when.
    """
    file = lock_file(path)
    descriptor = _acquire(file, path)
    try:
        last_holder = _read_holder(descriptor)
        with suppress(OSError):  # a full disk: the lock holds without a note on it
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, _this_process(work).encode())
        yield last_holder
    finally:
        with suppress(OSError):  # before the release: whoever waits sees that it is gone
            file.unlink()
        os.close(descriptor)
        if sys.platform == "win32":  # where an open file cannot be removed
            with suppress(OSError):
                file.unlink()


@uninterrupted
def _acquire(file: Path, path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    while True:
        try:
            descriptor = os.open(file, flags, 0o666)
        except OSError as error:
            raise OSError(f"{path}: cannot be written ({error.strerror})") from None
        try:
            acquired = _try_lock(descriptor)
            holder = "" if acquired else _read_holder(descriptor)
            current = acquired and _is_current(descriptor, file)
        except BaseException:
            os.close(descriptor)
            raise
        if current:
            return descriptor
        os.close(descriptor)
        if not acquired:
            raise ValueError(f"{path}: is being written by {holder or 'another process'}")


def _try_lock(descriptor: int) -> bool:
    """Return whether the lock could be taken, without waiting for it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _ALREADY_LOCKED:
            return False
        if error.errno not in _NO_LOCKS:
            raise
        print(
            f"this file system has no locks ({error.strerror}): that two processes write the same "
            "output would not be noticed",
            file=sys.stderr,
        )
    return True


def _is_current(descriptor: int, file: Path) -> bool:
    """Return whether the file still has its name; its last holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(file, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _read_holder(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return " ".join(os.read(descriptor, 1000).decode(errors="replace").split())


def _this_process(work: str) -> str:
    now = time.strftime("%Y-%m-%d %H:%M:%S %z")
    who = f"process {os.getpid()} on {socket.gethostname()} since {now}"
    return f"{who}, {work}\n" if work else f"{who}\n"
