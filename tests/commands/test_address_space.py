"""A limit of address space, as `ulimit -v`: one line about memory, and nothing is left."""

import subprocess
import sys

import numpy as np
import pytest

from tacref.memory import check_address_space

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no other system limits it")


@pytest.mark.parametrize("megabytes", [500, 900, 1100, 1300, 1500])
def test_training_does_not_begin(tmp_path, megabytes):
    (tmp_path / "data" / "train").mkdir(parents=True)
    for name in ("a", "b"):
        features = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
        np.save(tmp_path / "data" / "train" / f"{name}.npy", features)
    limited = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({megabytes << 20},) * 2)\n"
        "from tacref.commands import main\n"
        "sys.exit(main(['train', '--data', 'data', '--out', 'run', '--steps', '2']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.startswith("tacref train: ")
    assert "memory" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_is_checked():
    check_address_space(1 << 20, "a table")
    with pytest.raises(MemoryError, match="not enough memory for a table: 1099511627776 MB more"):
        check_address_space(1 << 60, "a table")
