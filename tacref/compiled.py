"""Numba's `njit`, with compiled code kept on disk for exactly the sources that it came from.

Numba's own `cache=True` looks only at the file of the function that is called. If a kernel calls
another one in another file, Numba would keep running the old machine code after an upgrade changed
that other file. Here each state of all kernels, of Numba and of Python has a folder of its own,
which holds one file for each kernel, signature and processor.

The folder is in `NUMBA_CACHE_DIR` if that is set, else in the package's `__pycache__`, else in the
user's cache folder. If none of them can be written, each process compiles anew.
"""

import contextlib
import functools
import hashlib
import logging
import os
import pickle
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core import config
from numba.core.caching import FunctionCache
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

import tacref
from tacref.memory import check_address_space

# Bytes that SciPy's BLAS and its threads map; without them it ends the process or never returns.
_BLAS_SPACE = 256 << 20
_BLAS_IMPORTER = "numba.np.arraymath"
MAX_OLD_FOLDERS = 8  # of other sources and versions, kept in addition to the one in use
_FOLDER_PREFIX, _FILE_SUFFIX = "tacref-kernels-", ".nbc"
_PACKAGE = Path(__file__).parent
_log = logging.getLogger("tacref")
_warnings: list[str] = []  # why code could not be kept; one per process

F = TypeVar("F", bound=Callable[..., Any])


def njit(*, cache: bool = False, **options: Any) -> Callable[[F], F]:
    """Compile a kernel as `numba.njit` does; with `cache`, keep its code for other processes.

    Parameters
    ----------
    cache : bool
        Keep compiled code on disk; for functions in `tacref.kernels` and `tacref.reference`.
    **options
        Options of `numba.njit`.
    """

    def decorate(function: F) -> F:
        # Nothing calls kernels from C; its wrapper would take a tenth of the time to compile.
        kernel: Any = numba.njit(**{"no_cfunc_wrapper": True, **options})(function)
        if cache and kernel is not function:  # it is the function with NUMBA_DISABLE_JIT
            kernel._cache = _KernelCache(function)
        return cast(F, kernel)

    return decorate


def inner(function: F) -> F:
    """Compile a function into the kernels that call it; called from Python, it is not compiled.

    Code by which Python calls it would take a fifth of the time to compile.
    """
    return cast(F, function if config.DISABLE_JIT else _Inner(function))  # type: ignore[attr-defined]


class _Inner:
    """What Numba takes for a compiled function, and Python for the function as it is written."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        kernel: Any = njit(cache=True, no_cpython_wrapper=True)(function)
        self._kernel = kernel
        self._numba_type_: Any = kernel._numba_type_

    def __call__(self, *args: Any) -> Any:
        # Numba would jump to the code that is not there.
        return self._kernel.py_func(*args)


class _KernelCache(FunctionCache):
    """Where Numba loads and saves the compiled code of one kernel."""

    def __init__(self, py_func: Callable[..., Any]) -> None:
        self._py_func = py_func
        self._name = f"{py_func.__module__}.{py_func.__qualname__}".removeprefix("tacref.")
        self._sources = _imported_sources()
        self.enable()

    @property
    def cache_path(self) -> str | None:
        """Return where code is looked for first."""
        return next((str(root / _folder(self._sources)) for root in code_folders()), None)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code that an earlier process kept, or None."""
        payload = self._kept(sig, target_context)
        if payload is None:
            _reserve_blas()
            return None
        # Numba's own cache loads all that it can compile, first, which takes longer than the rest.
        rtsys.initialize(target_context)
        return CompileResult._rebuild(target_context, *payload)

    def _kept(self, sig: Any, target_context: Any) -> Any:
        if not self._enabled or self._sources is None:
            return None
        key = self._index_key(sig, target_context.codegen())
        for root in code_folders():
            folder = root / _folder(self._sources)
            payload = _read(folder / self._file_name(key), key)
            if payload is not None:
                _mark_used(folder)
                return payload
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code in the first folder that can be written."""
        # Code that is compiled after the files changed under a running process may be a mixture.
        if not self._enabled or self._sources is None or self._sources != _sources():
            return
        if data.library.has_dynamic_globals or data.lifted:  # addresses of this process
            return
        key = self._index_key(sig, data.codegen)
        content = dumps((key, data._reduce()))
        reason = "there is no folder for it"
        for root in code_folders():
            try:
                _write(root, _folder(self._sources), self._file_name(key), content)
                return
            except OSError as error:
                reason = f"{root}: {error.strerror}"
        _warn_once(reason)

    def flush(self) -> None:
        """Remove this kernel's code, for `recompile`."""
        for root in code_folders():
            for file in (root / _folder(self._sources)).glob(f"{self._name}-*{_FILE_SUFFIX}"):
                with contextlib.suppress(OSError):
                    file.unlink()

    def _file_name(self, key: Any) -> str:
        return f"{self._name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}{_FILE_SUFFIX}"


def _reserve_blas() -> None:
    """Raise an error if there is no space for what Numba imports before it compiles."""
    if _BLAS_IMPORTER not in sys.modules:
        check_address_space(_BLAS_SPACE, "the BLAS of SciPy")


def _sources() -> str | None:
    """Return a hash of everything that compiled code depends on; None if sources cannot be read."""
    package = files(tacref)
    state = hashlib.sha256(
        repr((tacref.__version__, numba.__version__, np.__version__, sys.version)).encode()
    )
    try:
        kernels = [
            source for folder in ("kernels", "reference") for source in _modules(package, folder)
        ]
        ours = [
            (file.name, file) for file in package.iterdir() if file.name.startswith("compiled.")
        ]
        for name, source in sorted(kernels + ours, key=lambda kernel: kernel[0]):
            state.update(f"{name}:{hashlib.sha256(source.read_bytes()).hexdigest()};".encode())
    except OSError:
        return None
    return state.hexdigest() if kernels else None


def _modules(parent: Traversable, folder: str) -> Iterator[tuple[str, Traversable]]:
    """Yield the names and files of the modules in a folder and those within it."""
    for entry in (parent / folder).iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            for name, file in _modules(parent / folder, entry.name):
                yield f"{folder}/{name}", file
        elif entry.name.endswith((".py", ".pyc")):
            yield f"{folder}/{entry.name}", entry


_imported_sources: Callable[[], str | None] = functools.cache(_sources)


def _folder(sources: str | None) -> str:
    return f"{_FOLDER_PREFIX}{str(sources)[:16]}"


def code_folders() -> Iterator[Path]:
    """Yield where compiled code may be kept, the preferred place first."""
    folder = config.CACHE_DIR  # type: ignore[attr-defined]
    if folder:
        yield Path(folder)
        return
    if _PACKAGE.is_dir():  # not in a zip file
        yield _PACKAGE / "__pycache__"
    users = Path(AppDirs(appname="numba", appauthor=False).user_cache_dir)
    if users.is_absolute():  # "~" is not expanded for a user without a home
        yield users


def _read(path: Path, key: Any) -> Any:
    """Return the code that was saved under a key; None if there is none, or it is damaged."""
    try:
        checksum, content = (data := path.read_bytes())[:32], data[32:]
    except OSError:
        return None
    if hashlib.sha256(content).digest() != checksum:
        return None
    if _BLAS_IMPORTER.encode() in content:  # which is imported, too, with such code
        _reserve_blas()
    try:
        saved_key, payload = pickle.loads(content)
    except Exception:  # undamaged, but of classes that no longer exist
        return None
    return payload if saved_key == key else None


def _write(root: Path, folder: str, name: str, content: bytes) -> None:
    """Write a complete file or none; several processes may write the same one."""
    try:
        (root / folder).mkdir(parents=True)
    except FileExistsError:
        pass
    else:
        _remove_old(root, folder)
    temporary = root / folder / f"{uuid.uuid4().hex}{_FILE_SUFFIX}"
    try:
        with temporary.open("xb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        temporary.replace(root / folder / name)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _remove_old(root: Path, current: str) -> None:
    """Remove all but the most recently used folders; only files of this module are removed."""
    pattern = re.compile(re.escape(_FOLDER_PREFIX) + "[0-9a-f]{16}")
    with contextlib.suppress(OSError):
        ours = [path for path in root.iterdir() if pattern.fullmatch(path.name)]
        ours = [path for path in ours if path.name != current and not path.is_symlink()]
        ours.sort(key=lambda path: path.stat().st_mtime)
        for folder in ours[:-MAX_OLD_FOLDERS]:
            for file in folder.glob(f"*{_FILE_SUFFIX}"):
                file.unlink()
            with contextlib.suppress(OSError):  # it may hold something else
                folder.rmdir()


@functools.cache
def _mark_used(folder: Path) -> None:
    with contextlib.suppress(OSError):
        os.utime(folder)


def _warn_once(reason: str) -> None:
    if not _warnings:
        _warnings.append(reason)
        _log.warning(
            "compiled kernels cannot be kept (%s), so that each process compiles them anew; "
            "NUMBA_CACHE_DIR may name a folder for them",
            reason,
        )
