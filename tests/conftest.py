"""For all tests: one hypothesis profile, signals as usual, real recordings, other packages."""

import functools
import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# There is a worker for each core: more threads would only take turns with those of other tests,
# and those that a test asks for take no core while they wait. Read when torch is loaded, here and
# in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# In the background and under nohup they would be ignored, here and in processes that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
# The same examples on every machine, no deadline.
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=50)
# Without compiling, a few show which lines are reached; all of them are checked compiled.
settings.register_profile("uncompiled", settings.get_profile("ci"), max_examples=10)
settings.load_profile("uncompiled" if os.environ.get("NUMBA_DISABLE_JIT") == "1" else "ci")

# Files of ten seconds and more, the slowest first: one that came last would leave the other workers
# without work. A name that is missing here costs time alone.
SLOW = (
    "losses/test_transforms.py",
    "backbone/test_backbone_export.py",
    "backbone/test_large_export.py",
    "export/test_export.py",
    "training/test_several_processes.py",
    "losses/test_triton.py",
    "verify/test_faults.py",
    "alignment/test_part_command.py",
    "docs/test_docs.py",
    "commands/test_demo.py",
    "losses/test_soft_dtw_memory_and_threads.py",
    "export/test_session.py",
    "export/test_deploy_environment.py",
    "export/test_service.py",
    "export/test_cpp.py",
    "browser/follow_page/test_followed_video.py",
    "browser/test_report_in_browser.py",
    "export/test_node.py",
    "verify/test_own.py",
    "losses/test_bands_and_steps.py",
    "verify/test_cards.py",
    "browser/test_card_in_browser.py",
    "verify/test_pytest_plugin.py",
    "training/test_kill.py",
    "losses/test_triton_compiles.py",
    "commands/test_train.py",
    "kernels/test_compiled.py",
    "losses/test_all_losses.py",
    "losses/test_operators.py",
    "reference/test_soft_dtw_exact.py",
    "backbone/test_large_backbones.py",
    "benchmarks/test_losses_benchmark.py",
    "losses/test_losses_traced.py",
    "commands/test_address_space.py",
    "alignment/test_exact.py",
    "alignment/test_stepwise.py",
    "alignment/test_open_steps.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Take a worker more than there are cores, for some tests wait for a browser or a process."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items):
    """Put slow files first, for `--no-loadscope-reorder`."""
    folder = Path(__file__).parent
    place = {folder / name: number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def pytest_collection_finish():
    """Search what has been imported by now for garbage no more, and the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.fixture
def small_activity(monkeypatch):
    """Let the built-in activity be two short clips of small pictures for training, two held out."""
    from tacref.data import synthetic

    make = functools.partial(synthetic.make_dataset, train=2, val=2, size=32)
    monkeypatch.setattr(synthetic, "make_dataset", make)
    for name in ("TRAIN_CLIPS", "VAL_CLIPS"):
        monkeypatch.setattr(synthetic, name, 2)


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
