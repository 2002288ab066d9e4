"""DTW of embeddings by any steps against the reference, to the bit, by blocks of any size."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tacref import reference
from tacref.alignment import dtw, dtw_path, stepwise
from tacref.alignment.stepwise import steps_cost, steps_path, steps_path_to
from tacref.alignment.sweep import make_pair
from tacref.kernels.costs import ROWS
from tacref.kernels.dtw.tile import TILE
from tacref.steps import check_steps
from tests.alignment.test_exact import tied

SETS = {
    "slope": "slope",
    "asymmetric": "asymmetric",
    "other ties": [(0, 1, 1), (1, 0, 1), (1, 1, 1)],
    "weighted": [(1, 1, 2), (0, 1, 1), (1, 0, 1), (2, 3, 0.5), (0, 5, 0.25)],
    "long": [(1, 1, 1), (0, 1, 4), (64, 1, 2), (1, 64, 2), (2, 0, 0)],
}
LENGTHS = st.one_of(st.integers(1, 150), st.integers(1, 3 * TILE + 5))


@pytest.fixture
def small_blocks(monkeypatch):
    """Keep the directions of one strip only, and few checkpoints, so that blocks hold blocks."""
    monkeypatch.setattr(stepwise, "MAX_DIRECTION_BYTES", 0)


def cases(n, m, slack):
    yield {"band": None, "band_shape": "diagonal"}
    yield {"band": max(1, slack), "band_shape": "diagonal"}
    yield {"band": abs(n - m) + slack, "band_shape": "offset"}
    yield {"band": max(n, m) / min(n, m) + 1 + slack / 50, "band_shape": "itakura"}


def assert_as_reference(x, y, steps, options):
    D = reference.cost_matrix(x, y)
    try:
        expected = reference.dtw(D, steps=steps, **options)
    except ValueError as error:
        for function in (dtw, dtw_path):
            with pytest.raises(ValueError, match=re.escape(str(error))):
                function(x, y, steps=steps, **options)
        return
    assert dtw(x, y, steps=steps, **options) == expected
    path = dtw_path(x, y, steps=steps, **options)
    assert path.dtype == np.int64
    assert_array_equal(path, reference.dtw_path(D, steps=steps, **options))


@pytest.mark.parametrize("name", SETS)
@given(
    n=LENGTHS, m=LENGTHS, d=st.integers(1, 20), seed=st.integers(0, 99), slack=st.integers(0, 200)
)
def test_value_and_path_are_those_of_the_reference(name, n, m, d, seed, slack):
    x, y = tied(n, m, d, seed)
    for options in cases(n, m, slack):
        assert_as_reference(x, y, SETS[name], options)


# The fixture changes a constant only, once for all examples.
@pytest.mark.usefixtures("small_blocks")
class TestSmallBlocks:
    @pytest.mark.parametrize("name", SETS)
    def test_blocks_within_blocks(self, name):
        for seed, (n, m) in enumerate([(600, 500), (500, 900), (65, 40), (1000, 1000)]):
            x, y = tied(n, m, 2, seed)
            for options in cases(n, m, 12):
                assert_as_reference(x, y, SETS[name], options)

    def test_few_checkpoints(self, monkeypatch):
        monkeypatch.setattr(stepwise, "MAX_CHECKPOINT_BYTES", 8 * 2 * 700 * 3)
        x, y = tied(1500, 1400, 2, 3)
        assert_as_reference(x, y, "slope", {})
        assert_as_reference(x, y, "asymmetric", {"band": 20})

    def test_a_lost_checkpoint_is_found(self, monkeypatch):
        x, y = tied(400, 410, 1, 4)
        restored = stepwise._restored

        def lose(search, stored, row):
            history = restored(search, stored, row)
            history[-1] = np.inf
            return history

        monkeypatch.setattr(stepwise, "_restored", lose)
        with pytest.raises(AssertionError):
            assert_as_reference(x, y, "asymmetric", {})


def test_the_steps_of_equation_2_agree_with_the_tiled_kernel():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(500, 7)), rng.normal(size=(700, 7))
    pair = make_pair(x, y)
    last_row, last_column = steps_cost(pair, check_steps("any"))
    assert last_row[-1] == last_column[-1] == dtw(x, y)
    assert_array_equal(steps_path(pair, check_steps("any")), dtw_path(x, y))


@pytest.mark.parametrize("name", ["any", "slope", "asymmetric"])
@pytest.mark.parametrize("open_row", [True, False])
def test_paths_may_begin_elsewhere(name, open_row):
    """Open begins: zeros in front of the first row or column, at every begin by itself."""
    x, y = tied(40, 150, 2, 6) if open_row else tied(150, 140, 2, 6)
    steps = check_steps(name)
    D = reference.cost_matrix(x, y)
    costs = {}
    for begin in range(len(y) if open_row else len(x)):
        part = D[:, begin:] if open_row else D[begin:]
        try:
            costs[begin] = reference.dtw(part, steps=name)
        except ValueError:
            continue
    pair = make_pair(x, y, open_begin="y" if open_row else "x")
    least = min(costs.values())
    assert steps_cost(pair, steps)[0][-1] == least
    path = steps_path(pair, steps)
    i, j = path[0]
    assert (i if open_row else j) == 0
    assert costs[int(j if open_row else i)] == least
    # The path itself costs that.
    assert D[tuple(path.T)].sum() == least
    assert_array_equal(path[-1], (len(x) - 1, len(y) - 1))


def test_paths_to_another_cell():
    x, y = tied(130, 90, 2, 7)
    D = reference.cost_matrix(x, y)
    path = steps_path_to(make_pair(x, y), check_steps("slope"), (100, 70))
    assert_array_equal(path, reference.dtw_path(D[:101, :71], steps="slope"))


def test_bands_and_lengths_that_end_within_a_strip():
    for n in (1, 2, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS + 1):
        for m in (max(1, n - 1), n, n + 1, min(2 * n - 1, TILE + 1)):
            x, y = tied(n, m, 1, n + m)
            assert_as_reference(x, y, "asymmetric", {})
            assert_as_reference(x, y, "slope", {"band": 2})


def test_progress_rises_to_the_whole(small_blocks):
    x, y = tied(1000, 1100, 1, 8)
    pair, shares = make_pair(x, y), []
    steps_path(pair, check_steps("slope"), progress=shares.append)
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.2
    assert shares[-1] == pytest.approx(1.0, abs=0.01)
    shares.clear()
    steps_cost(pair, check_steps("slope"), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


MEMORY = """
import numpy as np
from tacref.alignment import dtw_path
rng = np.random.default_rng(0)
frames = rng.normal(size=(20_000, 4)).cumsum(axis=0)
path = dtw_path(frames, frames, steps="asymmetric")
assert (path == np.arange(20_000)[:, None]).all()
lines = open("/proc/self/status").read().splitlines()
print(*(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read memory from")
def test_memory_of_a_long_path():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, timeout=300
    )
    # The matrix would take 3.2 GB, and the directions of all cells 400 MB.
    assert int(done.stdout) < 450_000


INTERRUPT = """
import os, signal, threading, time
import numpy as np
from tacref.alignment import dtw
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, where started so
x = np.zeros((100_000, 32))
dtw(x[:2], x[:2], steps="slope")
def interrupt():
    time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    dtw(x, x, steps="slope")
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_ends_it():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPT],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ,
    )
    assert done.stdout.split() == ["interrupted"]
