"""What the CPU backend takes of the machine: memory of long pairs, threads, forked processes."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from numba import njit

from tacref.kernels import threads
from tacref.losses import SoftDTWLoss

MEMORY = """
import torch
from tacref.losses import SoftDTWLoss

def memory(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

def step(B, n):
    x, y = (torch.randn(B, n, 64, requires_grad=True) for _ in range(2))
    before = memory("VmRSS")
    SoftDTWLoss()(x, y).backward()
    assert x.grad.isfinite().all() and y.grad.isfinite().all()
    return memory("VmHWM") - before

step(1, 600)  # compiles, or loads what is compiled
step(1, 2000)
print(step({B}, {n}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read memory from")
@pytest.mark.parametrize(("B", "n"), [(32, 512), (1, 8192)])
def test_memory_of_forward_and_backward(B, n):
    done = subprocess.run(
        [sys.executable, "-c", MEMORY.format(B=B, n=n)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    # The costs alone would take 67 and 537 MB, their softmin weights three times that.
    assert int(done.stdout) < 300_000


@njit(nogil=True)
def wait(progress):
    threads.await_progress(progress, 0, 1)


def test_a_waiting_thread_leaves_its_core_to_others():
    progress = np.array([1, 0])
    wait(progress)  # compiles
    progress[0] = 0
    spent = []

    def waiting():
        before = time.thread_time()
        wait(progress)
        spent.append(time.thread_time() - before)

    thread = threading.Thread(target=waiting)
    thread.start()
    time.sleep(1.0)
    assert thread.is_alive()
    progress[0] = 1
    thread.join()
    assert spent[0] < 0.5


@njit
def take_item(queue):
    return threads.take_item(queue)


@njit
def take_next_item(queue):
    return threads.take_next_item(queue)


def items_done(count, workers):
    done = np.zeros(count, int)

    def work(queue):
        item = take_item(queue)
        while item < count:
            done[item] += 1
            item = take_next_item(queue)

    threads.run_items(work, count, workers)
    return done


@pytest.mark.parametrize(("count", "workers"), [(1, 1), (1, 4), (5, 2), (40, 3)])
def test_every_item_is_done_once(count, workers):
    assert (items_done(count, workers) == 1).all()


def test_items_do_not_wait_for_a_thread_that_does_not_run(monkeypatch):
    monkeypatch.setattr(threads, "_helpers", threads._Helpers())
    monkeypatch.setattr(threads._Helpers, "_serve", lambda helpers: time.sleep(60))
    for _ in range(10):
        assert (items_done(8, 3) == 1).all()
    assert threads._helpers.wakes.qsize() == 2  # not more with each call
    assert threads._helpers._job.work is None  # which would keep tensors


def test_errors_of_threads_are_raised():
    def work(queue):
        if take_item(queue) > 0:
            raise RuntimeError("planted")
        take_next_item(queue)
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        threads.run_items(work, 8, 2)
    helped = threading.Event()

    def fails_elsewhere(queue):
        if threading.current_thread().name == "tacref":
            take_item(queue)
            helped.set()
            raise MemoryError("planted")
        assert helped.wait(60)

    with pytest.raises(MemoryError, match="planted"):
        threads.run_items(fails_elsewhere, 8, 2)
    with pytest.raises(RuntimeError, match="planted"):
        threads.run_together(lambda thread, count: work(np.zeros(3, int)), 2, np.zeros(1, int))


FORK = """
import os, torch
from tacref.losses import SoftDTWLoss
torch.set_num_threads(2)
x, y = torch.randn(8, 60, 8), torch.randn(8, 60, 8)
right = SoftDTWLoss()(x, y)
child = os.fork()
if child == 0:
    os._exit(0 if SoftDTWLoss(reduction="none")(x, y).numpy().mean() - right.item() < 1e-4 else 1)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0
"""


FORK_FIRST = """
import multiprocessing, torch
import tacref.losses
torch.set_num_threads(2)
(torch.randn(16, 200, 128) * 2).sum()  # starts OpenMP's threads
def child():
    tacref.losses.lav_loss(torch.randn(8, 20, 16), torch.randn(8, 20, 16))
process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join(100)
assert process.exitcode == 0, process.exitcode
"""
# Nothing of tacref is there yet when the process forks.
FORK_BEFORE_IMPORT = FORK_FIRST.replace("import tacref.losses\n", "", 1).replace(
    "def child():", "def child():\n    import tacref.losses"
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("program", [FORK_FIRST, FORK_BEFORE_IMPORT])
def test_a_process_forked_before_the_first_call(program):
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_its_own_threads():
    # OpenMP's threads do not survive a fork, and would be waited for.
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=120)


def test_more_threads_than_items_or_strips():
    x, y = (torch.randn(2, 700, 3, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    right = SoftDTWLoss()(x, y)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(7)
        torch.testing.assert_close(SoftDTWLoss()(x, y), right, rtol=0, atol=0)
    finally:
        torch.set_num_threads(before)


def test_a_short_item_beside_a_long_one():
    # Of the long one, the weights of a strip are held at a time; the short one must not need more.
    x, y = (torch.randn(2, 3000, 2, dtype=torch.float64) for _ in range(2))
    leaves = [z.requires_grad_() for z in (x, y)]
    options = {"lengths_x": [3000, 500], "lengths_y": [3000, 3000]}
    values = SoftDTWLoss(reduction="none")(*leaves, **options)
    gradients = torch.autograd.grad(values.sum(), leaves)
    alone = SoftDTWLoss(reduction="none")(x[1:, :500], y[1:])
    torch.testing.assert_close(values[1:], alone, rtol=0, atol=0)
    expected = torch.autograd.grad(alone.sum(), leaves)
    torch.testing.assert_close(gradients[0][1, :500], expected[0][1, :500])
    torch.testing.assert_close(gradients[1][1], expected[1][1])


# One thread of a pair fails, in each way that there is; the others must not wait for it, nor the
# next call for anything. A process of its own, as a thread that spins cannot be ended.
FAILING = """
import signal, sys, threading
import torch
from tacref.kernels import threads
from tacref.kernels.soft_dtw import batch as soft_dtw_batch
from tacref.losses import soft_dtw, SoftDTWLoss

torch.set_num_threads(3)
x, y = (torch.randn(1, 600, 2, requires_grad=True) for _ in range(2))

def step():
    value = SoftDTWLoss()(x, y)
    return value.item(), *torch.autograd.grad(value, (x, y))

right = step()
D = torch.rand(1, 600, 600)
costs = soft_dtw(D)

def refused(call, error, text):
    try:
        call()
    except error as raised:
        assert text in str(raised), raised
    else:
        raise AssertionError("no error")
    again = step()
    assert again[0] == right[0]
    assert all(torch.allclose(a, b) for a, b in zip(again, right) if isinstance(a, torch.Tensor))
    assert soft_dtw(D) == costs

start = threading.Thread.start
for k in (1, 2):
    left = [k]
    def limited(thread):
        left[0] -= 1
        if left[0] == 0:
            threading.Thread.start = start
            raise RuntimeError("can't start new thread")
        start(thread)
    for call in (step, lambda: soft_dtw(D)):
        left[0], threading.Thread.start = k, limited
        refused(call, OSError, f"can't start new thread: 3 share one long pair, and the system "
                f"gave {k};")

part = soft_dtw_batch._pair_part
for failing, error in ((0, MemoryError), (2, MemoryError), (0, KeyboardInterrupt)):
    def fails(*arguments):
        if arguments[-2] == failing:
            soft_dtw_batch._pair_part = part
            raise error("planted")
        return part(*arguments)
    for call in (step, lambda: soft_dtw(D)):
        soft_dtw_batch._pair_part = fails
        refused(call, error, "planted")

# Ctrl-C while a thread is being started.
def interrupted(thread):
    start(thread)
    threading.Thread.start = start
    signal.raise_signal(signal.SIGINT)
threading.Thread.start = interrupted
refused(step, KeyboardInterrupt, "")
print("done")
"""


def test_a_thread_that_fails_does_not_keep_the_others():
    done = subprocess.run(
        [sys.executable, "-c", FAILING], capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "done\n", done.stderr


def test_too_few_threads_for_a_batch_are_an_error(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(threads, "_helpers", threads._Helpers())

        def start(thread):
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(OSError, match="can't start new thread, of 3 that share a batch"):
            items_done(8, 3)
    assert (items_done(8, 3) == 1).all()
