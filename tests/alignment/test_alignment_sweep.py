"""Sweeps on several threads: failures and interrupts end all of them; memory; NaN in the kernel."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_array_equal

from tacref.alignment import sweep as sweeps
from tacref.alignment.sweep import make_borders, make_pair, no_storage, run_sweep, whole_area
from tacref.kernels.costs import ROWS, STRIDE
from tacref.kernels.dtw import tile
from tacref.kernels.dtw.tile import DIAGONALS, SLOT


@njit
def forward(strip, above, edge, rows, start, stop, ring, keep, bits, bits_start):
    tile.forward(strip, above, edge, rows, start, stop, ring, keep, bits, bits_start)


def value(x, y, threads):
    pair = make_pair(x, y)
    row, left = make_borders(pair)
    run_sweep(pair, whole_area(pair), row, left, no_storage(), threads=threads)
    return row[-1]


def test_nan_spreads_to_all_that_follows():
    # The public functions refuse NaN; the kernel must not lose it in a minimum.
    for row, column in ((0, 0), (3, 5), (9, 29)):
        strip, bits = np.ones(DIAGONALS * STRIDE), np.empty(0, np.uint8)
        strip[(row + column) * STRIDE + row] = np.nan
        above, edge = np.full(31, np.inf), np.full(ROWS + 1, np.inf)
        edge[0] = 0.0
        forward(strip, above, edge, 10, 0, 30, np.zeros(3 * SLOT), False, bits, 0)
        assert_array_equal(np.isnan(above[1:]), np.arange(30) >= column)
        assert_array_equal(np.isnan(edge[1:11]), np.arange(10) >= row)


MEMORY = """
import numpy as np
from tacref.alignment import bound, dtw_path
bound.MIN_SECONDS_FOR_BOUND = np.inf  # leave nothing out
frames = np.random.default_rng(0).normal(size=(20_000, 16))
path = dtw_path(frames, frames)
assert (path == np.arange(20_000)[:, None]).all()
lines = open("/proc/self/status").read().splitlines()
print(*(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read memory from")
def test_memory_of_a_long_path():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, timeout=300
    )
    # The matrix would take 3.2 GB.
    assert int(done.stdout) < 400_000


INTERRUPT = """
import os, signal, threading, time
import numpy as np
from tacref.alignment import sweep, dtw
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, where started so
sweep.threads_available = lambda: {threads}
x = np.zeros((200_000, 64))
dtw(x[:2], x[:2])
def interrupt():
    time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    dtw(x, x)
except KeyboardInterrupt:
    print(threading.active_count())
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_interrupt_ends_all_threads(threads):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPT.format(threads=threads)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split() == ["1"]


@pytest.mark.parametrize("calling", [True, False])
def test_a_thread_that_fails_ends_the_others(calling, monkeypatch):
    before, kernel = threading.active_count(), sweeps.sweep

    def broken(*arguments):
        if (threading.current_thread() is threading.main_thread()) is calling:
            raise RuntimeError("planted")
        return kernel(*arguments)

    monkeypatch.setattr(sweeps, "sweep", broken)
    x = np.ones((900, 2))
    with pytest.raises(RuntimeError, match="planted"):
        value(x, x, threads=4)
    assert threading.active_count() == before


def test_a_thread_that_does_not_start_ends_the_others(monkeypatch):
    before, submit = threading.active_count(), sweeps.ThreadPoolExecutor.submit
    started = []

    def refuse(*arguments):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(submit(*arguments))
        return started[-1]

    monkeypatch.setattr(sweeps.ThreadPoolExecutor, "submit", refuse)
    x = np.ones((900, 2))
    with pytest.raises(RuntimeError, match="can't start new thread"):
        value(x, x, threads=4)
    assert len(started) == 2
    assert threading.active_count() == before


def test_threads_that_the_system_holds_up_hold_up_no_answer(monkeypatch):
    rng, kernel = np.random.default_rng(0), sweeps.sweep
    calls = []

    def slow(*arguments):
        calls.append(threading.get_ident())
        time.sleep(rng.uniform(0, 2e-3))
        return kernel(*arguments[:-1], 1)  # one tile, then away again

    x, y = rng.normal(size=(700, 3)), rng.normal(size=(800, 3))
    expected = value(x, y, threads=1)
    monkeypatch.setattr(sweeps, "sweep", slow)
    assert value(x, y, threads=5) == expected
    assert len(set(calls)) == 5


def test_affinity_limits_the_threads(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert sweeps.threads_available() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert sweeps.threads_available() == 1
