"""For all tests: one hypothesis profile, signals as usual, real recordings, other packages."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Threads of OpenMP that wait for work take no core from other tests. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Under nohup it would be ignored, here and in the processes that tests start.
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
# The same examples on every machine, no deadline.
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def shared_data():
    """Return the folder of real recordings, for tests marked `shared`; skip where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TACREF_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder}; TACREF_SHARED names their folder")
    return folder


@pytest.fixture(scope="session")
def install(tmp_path_factory):
    """Return a function that installs packages in a new folder, for tests marked `download`.

    It takes arguments of `pip install` and returns the folder. Skips unless TACREF_DOWNLOADS=1.
    """
    if os.environ.get("TACREF_DOWNLOADS") != "1":
        pytest.skip("it downloads packages; TACREF_DOWNLOADS=1 lets it")

    def run(*arguments):
        folder = tmp_path_factory.mktemp("packages")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        target = ["--only-binary", ":all:", "--target", str(folder)]
        subprocess.run([*pip, *target, *arguments], check=True, timeout=280)
        return folder

    return run
