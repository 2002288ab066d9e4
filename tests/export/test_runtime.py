"""Which builds of onnxruntime are installed: none, one, or several that overwrite each other."""

import importlib.metadata
import sys

import pytest

from tacref import runtime
from tacref.commands import main


@pytest.fixture
def not_warned():
    """Let it be warned once in the test, and once after it."""
    runtime._warn_of_several_builds.cache_clear()
    yield
    runtime._warn_of_several_builds.cache_clear()


@pytest.fixture
def installed(monkeypatch, not_warned):
    """Return a function that names the builds that are installed, and their versions."""

    def pretend(**builds):
        versions = {name.replace("_", "-"): version for name, version in builds.items()}

        def version(name):
            try:
                return versions[name]
            except KeyError:
                raise importlib.metadata.PackageNotFoundError(name) from None

        monkeypatch.setattr(importlib.metadata, "version", version)

    return pretend


def test_one_build_without_a_warning(installed):
    installed(onnxruntime_gpu="1.31.1")
    assert runtime.onnxruntime().__name__ == "onnxruntime"
    assert runtime.runtime_builds() == {"onnxruntime-gpu": "1.31.1"}


def test_several_builds_are_named_once(installed):
    installed(onnxruntime="1.31.0", onnxruntime_gpu="1.31.1")
    with pytest.warns(UserWarning, match="onnxruntime and onnxruntime-gpu are installed"):
        runtime.onnxruntime()
    runtime.onnxruntime()  # a second warning would be an error


def test_without_any_the_command_says_what_to_install(exported, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "a.mp4").write_bytes(b"video")
    path = str(exported["small"].path)
    assert main(["embed", path, str(tmp_path / "a.mp4"), "-o", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "tacref embed: needs a package that is not installed (no onnxruntime: pip install "
        "'tacref[deploy]' for GPUs, or 'tacref[deploy-cpu]' for a machine without one)"
    )
    assert not (tmp_path / "out").exists()
