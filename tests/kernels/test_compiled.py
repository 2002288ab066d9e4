"""Compiled code that is kept is that of these very sources, wherever it can be kept."""

import ast
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tacref
from tacref import compiled

PACKAGE = Path(tacref.__file__).parent
INNER = "from tacref.compiled import njit\n@njit(cache=True)\ndef inner(x): return {factor} * x\n"
OUTER = (
    "from tacref.compiled import njit\nfrom tacref.kernels.inner import inner\n"
    "@njit(cache=True)\ndef outer(x): return inner(x)\n"
)
RUN = """
from tacref.kernels.outer import outer
print(outer(10), sum(outer.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path):
    """Return a package of ours with two small kernels, one of which calls the other."""
    root = tmp_path / "site" / "tacref"
    for folder in ("kernels", "reference"):
        (root / folder).mkdir(parents=True)
        (root / folder / "__init__.py").touch()
    for name in ("__init__.py", "compiled.py", "memory.py"):
        shutil.copy(PACKAGE / name, root / name)
    (root / "kernels" / "inner.py").write_text(INNER.format(factor=2))
    (root / "kernels" / "outer.py").write_text(OUTER)
    return root


def run(path, preexec_fn=None, **environment):
    """Return what a new process computes, what it found compiled, and its complaints."""
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        env={
            key: value
            for key, value in os.environ.items()
            if key not in ("NUMBA_CACHE_DIR", "NUMBA_DISABLE_JIT")
        }
        | {"PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        cwd=path.parent,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=preexec_fn,
    )
    assert done.returncode == 0, done.stderr
    return *map(int, done.stdout.split()), done.stderr.splitlines()


def kept(folder):
    return sorted(path.name.split("-")[0] for path in folder.rglob("*.nbc"))


def test_an_upgrade_of_an_imported_kernel_computes_the_new_numbers(package):
    inner = package / "kernels" / "inner.py"
    before = inner.stat()
    assert run(package.parent) == (20, 0, [])
    assert run(package.parent) == (20, 1, [])
    inner.write_text(INNER.format(factor=3))
    os.utime(inner, ns=(before.st_atime_ns, before.st_mtime_ns))  # as reproducible wheels do
    assert run(package.parent) == (30, 0, [])
    both = ["kernels.inner.inner", "kernels.outer.outer"]
    assert kept(package / "__pycache__") == sorted(2 * both)


def test_each_version_keeps_its_own(monkeypatch):
    states = {compiled._sources()}
    for name in ("tacref.__version__", "numba.__version__", "numpy.__version__", "sys.version"):
        with monkeypatch.context() as patch:
            patch.setattr(name, "another")
            states.add(compiled._sources())
    assert len(states) == 5


def test_numba_cache_dir_is_where_code_is_kept(package, tmp_path):
    for hits in (0, 1):
        assert run(package.parent, NUMBA_CACHE_DIR=str(tmp_path / "own")) == (20, hits, [])
    assert (
        kept(tmp_path) == kept(tmp_path / "own") == ["kernels.inner.inner", "kernels.outer.outer"]
    )


def test_nowhere_to_keep_code_is_one_line(package, tmp_path):
    (package / "__pycache__").touch()  # a file, where a folder is wanted
    nowhere = {"HOME": "/nonexistent", "XDG_CACHE_HOME": os.devnull}
    product, hits, (line,) = run(package.parent, **nowhere)
    assert (product, hits) == (20, 0)
    assert "cannot be kept" in line
    assert "NUMBA_CACHE_DIR" in line


def test_a_package_in_a_zip_file(package, tmp_path):
    archive = tmp_path / "site.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in package.rglob("*.py"):
            file.write(path, path.relative_to(package.parent))
    for hits in (0, 1):
        assert run(archive, XDG_CACHE_HOME=str(tmp_path / "cache")) == (20, hits, [])


@pytest.fixture
def roots(tmp_path, monkeypatch):
    """Return two folders that take compiled code, the first one by preference."""
    folders = [tmp_path / "first", tmp_path / "second"]
    monkeypatch.setattr(compiled, "code_folders", lambda: iter(folders))
    monkeypatch.setattr(compiled, "_warnings", [])
    monkeypatch.setattr("numba.core.config.DISABLE_JIT", 0)
    return folders


def kernel():
    """Return a kernel as a new process has it."""

    def double(x):
        return x + x

    return compiled.njit(cache=True)(double)


def test_one_file_a_signature(roots):
    one = kernel()
    assert (one(2), one(2.5)) == (4, 5.0)
    assert len(kept(roots[0])) == 2
    other = kernel()
    assert (other(2.5), other(2)) == (5.0, 4)
    assert not other.stats.cache_misses
    other.recompile()
    assert len(other.stats.cache_misses) == 2
    assert other.stats.cache_path.startswith(str(roots[0]))


def test_code_is_read_where_it_cannot_be_written(roots):
    kernel()(2)
    roots.reverse()
    roots[0].touch()
    other = kernel()
    assert other(2) == 4
    assert not other.stats.cache_misses


def test_a_full_disk(roots, monkeypatch, caplog):
    def replace(self, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", replace)
    one = kernel()
    assert (one(2), one(2.5)) == (4, 5.0)
    assert len(caplog.messages) == 1
    assert f"{roots[1]}: No space left on device" in caplog.text
    assert not kept(roots[0]) + kept(roots[1])


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"", bytes.swapcase])
def test_damaged_code_is_compiled_anew(roots, damage):
    kernel()(2)
    (file,) = roots[0].rglob("*.nbc")
    file.write_bytes(damage(file.read_bytes()))
    for misses in (1, 0):
        other = kernel()
        assert other(2) == 4
        assert sum(other.stats.cache_misses.values()) == misses


def test_no_flipped_bit_gets_past_the_checksum(roots, monkeypatch):
    kernel()(2)
    (file,) = roots[0].rglob("*.nbc")
    whole = file.read_bytes()
    monkeypatch.setattr(compiled.pickle, "loads", lambda content: (None, "unpickled"))
    assert compiled._read(file, None) == "unpickled"
    generator = np.random.default_rng(0)
    for bit in generator.integers(8 * len(whole), size=1000).tolist():
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        assert compiled._read(file, None) is None


def test_code_of_classes_that_are_gone_is_compiled_anew(roots):
    kernel()(2)
    (file,) = roots[0].rglob("*.nbc")
    content = b"cthis_module_is_gone\nKernel\n."
    file.write_bytes(hashlib.sha256(content).digest() + content)
    other = kernel()
    assert other(2) == 4
    assert sum(other.stats.cache_misses.values()) == 1


def test_a_process_whose_kept_files_are_all_damaged(package):
    run(package.parent)
    inner, outer = sorted((package / "__pycache__").rglob("*.nbc"))
    inner.write_bytes(inner.read_bytes()[:999])
    outer.write_bytes(outer.read_bytes().swapcase())
    for hits in (0, 1):
        assert run(package.parent) == (20, hits, [])


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of resources there")
def test_a_process_whose_disk_is_full(package):
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    product, hits, (line,) = run(package.parent, limit, XDG_CACHE_HOME=os.devnull)
    assert (product, hits) == (20, 0)
    assert "cannot be kept" in line
    assert not list((package / "__pycache__").rglob("*.nbc"))


def test_a_numba_cache_dir_that_is_a_file(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setattr(compiled, "_warnings", [])
    monkeypatch.setattr("numba.core.config.DISABLE_JIT", 0)
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "file"))
    assert kernel()(2) == 4
    assert f"({tmp_path / 'file'}: Not a directory)" in caplog.text


def test_sources_that_changed_under_a_process(roots, monkeypatch):
    monkeypatch.setattr(compiled, "_sources", lambda: "of other files")
    assert kernel()(2) == 4
    assert not kept(roots[0])


def test_old_folders_go_and_what_is_not_ours_stays(roots):
    folders = [roots[0] / f"tacref-kernels-{number:016x}" for number in range(12)]
    for number, folder in enumerate(folders):
        folder.mkdir(parents=True)
        (folder / "kernels.a.b-0.nbc").touch()
        os.utime(folder, (number, number))
    (folders[0] / "notes.txt").touch()
    os.utime(folders[0], (0, 0))
    others = [roots[0] / "tacref-kernels-mine", roots[0] / "a-0000000000000000"]
    for folder in others:
        folder.mkdir()
        (folder / "a.nbc").touch()
    kernel()(2)
    left = {path.name for path in roots[0].iterdir()}
    assert {path.name for path in [folders[0], *folders[4:], *others]} < left
    assert not {path.name for path in folders[1:4]} & left
    assert [path.name for path in folders[0].iterdir()] == ["notes.txt"]
    assert all((folder / "a.nbc").exists() for folder in others)


def test_a_user_without_a_home_gets_no_folder_called_tilde(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "~/.cache")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert all(root.is_absolute() for root in compiled.code_folders())


def test_without_compiling_a_kernel_is_a_function(monkeypatch):
    monkeypatch.setattr("numba.core.config.DISABLE_JIT", True)
    assert kernel()(np.ones(2)).tolist() == [2, 2]
    assert not hasattr(kernel(), "stats")


def test_all_kernels_are_compiled_by_the_one_decorator():
    makers = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "stencil", "jit_module"}
    folders = set()
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            names = {alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")}
            if isinstance(node, ast.ImportFrom) and node.module == "tacref.compiled":
                folders.add(path.relative_to(PACKAGE).parts[0])
                assert names <= {"inner", "njit"}
            elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("numba"):
                assert not names & makers, path
        assert path.name == "compiled.py" or not any(f"numba.{name}(" in text for name in makers)
    assert folders == {"kernels", "reference"}  # of which `_sources` takes all files


def test_inner_functions_are_compiled_into_kernels_and_run_by_python_as_they_are(roots):
    def half(x):
        return x / 2

    inner = compiled.inner(half)

    def quarter(x):
        return inner(x) / 2

    outer = compiled.njit(cache=True)(quarter)
    assert (inner(3), inner.__name__, inner.__doc__) == (1.5, "half", half.__doc__)
    assert outer(3) == 0.75
    assert len(kept(roots[0])) == 2  # that of `half` too, for other kernels


def test_kept_code_runs_without_what_numba_compiles_with(tmp_path):
    """A first call finds its code within milliseconds: nothing else may be imported for it."""
    program = (
        "import sys, torch\n"
        "from tacref.losses import LAVLoss, SoftDTWLoss\n"
        "x = torch.ones(2, 5, 3, requires_grad=True)\n"
        "SoftDTWLoss(gamma=0.1)(x, x).sum().backward()\n"
        "LAVLoss()(x, x)[0].backward()\n"
        "print('numba.np.arraymath' in sys.modules, 'tacref.reference' in sys.modules)\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    said = [
        subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True,
            check=True, timeout=300,
        ).stdout
        for _ in range(2)
    ]  # fmt: skip
    assert said == ["True False\n", "False False\n"]


def test_code_that_imports_blas_is_not_loaded_where_there_is_no_space_for_it(roots, monkeypatch):
    def check(size, what):
        raise MemoryError(what)

    monkeypatch.setattr(compiled, "check_address_space", check)
    monkeypatch.delitem(sys.modules, "numba.np.arraymath")
    content = b"cnumba.np.arraymath\n"
    roots[0].mkdir()
    (roots[0] / "code").write_bytes(hashlib.sha256(content).digest() + content)
    with pytest.raises(MemoryError, match="BLAS"):
        compiled._read(roots[0] / "code", None)
