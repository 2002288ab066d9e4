"""The fixture `assert_loss_correct`: in a project of its own, loaded once or twice, and light."""

import importlib.metadata
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = "tacref.pytest_plugin"
RIGHT = """
import numpy as np
import pytest


def right(D):
    R = np.full((D.shape[0] + 1, D.shape[1] + 1), np.inf)
    R[0, 0] = 0.0
    for i, j in np.ndindex(*D.shape):
        R[i + 1, j + 1] = D[i, j] + min(R[i, j], R[i, j + 1], R[i + 1, j])
    return R[-1, -1]


@pytest.fixture(scope="module", autouse=True)
def in_haste():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tacref.verify.claims.extremes.MAX_SECONDS_PER_CALL", 0.01)
        patch.setattr("tacref.verify.shrink.MAX_SECONDS_TO_SIMPLIFY", 0.1)
        yield


def test_right(assert_loss_correct):
    assert_loss_correct(right, "dtw", framework="numpy")
"""
TESTS = f"""{RIGHT}

def wrong(D):
    return 1.01 * right(D)


def test_wrong(assert_loss_correct):
    assert_loss_correct(wrong, "dtw", framework="numpy")


def test_with_other_fixtures(tmp_path, assert_loss_correct):
    with pytest.raises(ValueError, match="loss must be one of"):
        assert_loss_correct(right, "ctc")
"""


def run(folder, *arguments, module=("pytest",), **environment):
    """Run pytest in a folder, in a process of its own, with no plugin but those that are named."""
    command = [sys.executable, "-m", *module, "-W", "error", "-p", "no:cacheprovider", *arguments]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {"PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
    environment = {"PYTEST_ADDOPTS": "", **environment}  # options of plugins that are not loaded
    return subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True
    )


@pytest.fixture
def project(tmp_path):
    (tmp_path / "test_mine.py").write_text(TESTS)
    return tmp_path


def declared():
    """Return what pyproject.toml declares to pytest: modules by name."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return metadata["entry-points"]["pytest11"]


def install(folder):
    """Write what an installed package has, for pytest to find the plugin in."""
    info = folder / "declared-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: declared\nVersion: 1.0\n")
    lines = [f"{name} = {module}" for name, module in declared().items()]
    (info / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))


def test_a_test_needs_no_import(project):
    done = run(project, "-p", PLUGIN, "-rA")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 passed, 1 failed" in done.stdout or "1 failed, 2 passed" in done.stdout
    assert "FAILED test_mine.py::test_wrong" in done.stdout
    # The line of the test and the card, and nothing of what is in between.
    assert 'assert_loss_correct(wrong, "dtw", framework="numpy")' in done.stdout
    assert "test_mine:wrong  (dtw, equation 2, of costs): FAILED" in done.stdout
    assert "report = check(" not in done.stdout


def test_the_declaration_is_all_that_an_installed_package_needs(project):
    install(project)
    done = run(project, "-k", "right", PYTEST_DISABLE_PLUGIN_AUTOLOAD="")
    assert done.returncode == 0, done.stdout + done.stderr
    fixtures = run(project, "--fixtures", PYTEST_DISABLE_PLUGIN_AUTOLOAD="").stdout
    assert "assert_loss_correct [session scope]" in fixtures


@pytest.mark.parametrize("loaded", [("-p", PLUGIN), ("-p", PLUGIN, "-p", PLUGIN), ()])
def test_loading_twice_does_no_harm(loaded, project):
    install(project)
    (project / "conftest.py").write_text(f"pytest_plugins = [{PLUGIN!r}]\n")
    plugins = ("-p", "xdist", "-n", "1", "-p", "timeout")
    done = run(project, *loaded, *plugins, "-k", "right", PYTEST_DISABLE_PLUGIN_AUTOLOAD="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_a_fixture_of_ones_own_comes_first(project):
    install(project)
    (project / "conftest.py").write_text(
        "import pytest\n@pytest.fixture\ndef assert_loss_correct():\n    return lambda *a, **k: 0\n"
    )
    done = run(project, "-k", "right or wrong", PYTEST_DISABLE_PLUGIN_AUTOLOAD="")
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_coverage_sees_what_it_saw_without(project):
    (project / "test_mine.py").write_text(RIGHT)
    install(project)
    done = run(
        project, "-q", module=("coverage", "run", "--include=test_*.py", "-m", "pytest"),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    total = [sys.executable, "-m", "coverage", "report", "--format=total"]
    done = subprocess.run(total, cwd=project, capture_output=True, text=True)
    assert done.stdout == "100\n", done.stdout + done.stderr


def test_starting_pytest_imports_nothing_heavy():
    code = (
        f"import sys, {PLUGIN}\n"
        "heavy = {'numpy', 'torch', 'numba', 'scipy', 'tacref.verify', 'tacref.losses'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_declared_module_can_be_loaded():
    assert PLUGIN in declared()
    for name, value in declared().items():
        # Under another name pytest would load it a second time, which is an error.
        assert name == value
        point = importlib.metadata.EntryPoint(name, value, "pytest11")
        assert callable(point.load().assert_loss_correct)
