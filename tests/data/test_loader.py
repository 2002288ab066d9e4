"""Batches are the same however many processes read them; the processes end with their parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tacref.cores import threads_available
from tacref.data import PairDataset, find_clips, iter_batches, write_video
from tacref.data.loader import decoder_threads
from tests.data.loader_probe import DecoderThreads


@pytest.fixture
def dataset(tmp_path, make_video):
    for index, name in enumerate("abcd"):
        make_video(tmp_path / "train" / f"{name}.mp4", count=20 + 3 * index)
    made = PairDataset(
        find_clips(tmp_path, "train"), offsets=(-2, 0), frames=5, pairs=4, size=24, seed=7
    )
    made.check()
    return made


def assert_same(x, y):
    for name in ("frames", "windows", "times", "lengths"):
        assert_array_equal(getattr(x, name), getattr(y, name), err_msg=name)
    assert x.names == y.names


def test_any_number_of_workers(dataset):
    plain = list(iter_batches(dataset, range(3, 10), parts=2))
    assert [len(batches) for batches, _ in plain] == [2] * 7
    for workers in (1, 3):
        read = list(iter_batches(dataset, range(3, 10), parts=2, workers=workers))
        assert len(read) == 7
        for (batches, seconds), (expected, _) in zip(read, plain, strict=True):
            assert seconds >= 0
            for batch, other in zip(batches, expected, strict=True):
                assert_same(batch, other)


@pytest.mark.skipif(threads_available() == 1, reason="nothing is read ahead with one core")
def test_a_thread_draws_pictures_one_step_ahead(dataset, monkeypatch):
    asked, drawn = [], {step: threading.Event() for step in range(5)}
    draw = dataset.batch

    def batch(step, **share):
        asked.append((step, threading.current_thread() is threading.main_thread()))
        drawn[step].set()
        return draw(step, **share)

    monkeypatch.setattr(dataset, "batch", batch)
    batches = iter_batches(dataset, range(5))
    next(batches)
    assert drawn[1].wait(60)  # while the first one is computed on
    batches.close()
    assert not any(thread.name == "tacref-ahead" for thread in threading.enumerate())
    assert [step for step, _ in asked] == list(range(len(asked)))
    assert len(asked) <= 3  # one waits, and one is being drawn
    assert not any(in_main for _, in_main in asked)


def test_features_are_drawn_when_they_are_needed(tmp_path):
    (tmp_path / "train").mkdir()
    for name in "ab":
        np.save(tmp_path / "train" / f"{name}.npy", np.zeros((9, 2), np.float32))
    dataset = PairDataset(find_clips(tmp_path, "train"), offsets=(0,), frames=2, pairs=1)
    assert not dataset.reads_pictures
    threads = threading.active_count()
    batches = iter_batches(dataset, range(3))
    next(batches)
    assert threading.active_count() == threads
    assert len(list(batches)) == 2


def test_decoders_of_workers_share_the_cores(dataset, monkeypatch):
    probe = DecoderThreads({"all": dataset.clips}, offsets=(0,), frames=5, pairs=2, size=24)
    cores = threads_available()
    for workers in (1, cores + 1):
        ((threads,), _), *_ = iter_batches(probe, range(workers), workers=workers)
        assert threads == max(1, cores // workers)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(cores))  # as torchrun says it
    assert decoder_threads(1) == 1


def test_shares_together_are_the_whole(dataset):
    whole = dataset.batch(5)
    shares = [
        dataset.batch(5, rank=rank, world=2, part=part, parts=2)
        for rank in range(2)
        for part in range(2)
    ]
    assert [name for share in shares for name in share.names] == whole.names
    for field in ("times", "lengths"):
        joined = np.concatenate([getattr(share, field) for share in shares], axis=1)
        assert_array_equal(joined, getattr(whole, field))
    pictures = np.concatenate([share.frames[share.windows] for share in shares], axis=1)
    assert_array_equal(pictures, whole.frames[whole.windows])


def test_shares_must_be_equal(dataset):
    with pytest.raises(ValueError, match="pairs must be a multiple of 3 processes x 1 parts"):
        dataset.batch(0, world=3)
    with pytest.raises(ValueError, match="workers must be >= 0, got -1"):
        next(iter_batches(dataset, range(1), workers=-1))


def test_reading_by_seeking_gives_the_same(dataset):
    seeking = PairDataset(
        {"": dataset.clips}, offsets=(-2, 0), frames=5, pairs=4, size=24, seed=7, cache_bytes=0
    )
    seeking.check()
    for step in range(3):
        assert_same(seeking.batch(step), dataset.batch(step))


def test_an_error_in_a_worker_arrives(dataset):
    dataset.clips[0].path.unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.mp4: no such"):
        list(iter_batches(dataset, range(20), workers=1))


def test_bad_clips_are_left_out_or_replaced(dataset):
    bad = dataset.clips[1].path
    bad.write_bytes(bad.read_bytes()[:900])
    options = {"offsets": (0,), "frames": 5, "pairs": 4, "size": 24}
    with pytest.raises(ValueError, match=r"b\.mp4: not a video, or cut off"):
        PairDataset({"": dataset.clips}, **options).check()
    skipping = PairDataset({"": dataset.clips}, **options, on_bad_video="skip")
    skipping.check()
    assert list(skipping.bad) == [bad]
    assert bad not in {clip.path for clip in skipping.clips}
    # One that is damaged later, or in its middle, is replaced when it is drawn, always alike.
    later = skipping.clips[0].path
    later.write_bytes(b"nothing")
    drawn = [skipping.batch(step) for step in range(6)]
    assert any(batch.skipped for batch in drawn)
    assert all(str(later) in message for batch in drawn for message in batch.skipped)
    assert all(str(later) not in name for batch in drawn for name in batch.names)
    assert all(len(batch.names) == 4 for batch in drawn)
    assert drawn[2].names == skipping.batch(2).names
    for clip in skipping.clips[1:]:
        clip.path.unlink()
    skipping.cache.clear()
    with pytest.raises(ValueError, match=r"no pair of clips can be read; the last time: .*mp4"):
        skipping.batch(0)


def test_what_is_skipped_does_not_depend_on_memory(dataset, tmp_path, make_video):
    # Cut in two by damage: its beginning can be read, and all of it cannot.
    hurt = make_video(tmp_path / "train" / "e.mp4", count=38)
    data = bytearray(hurt.read_bytes())
    middle = data.find(b"mdat") + (len(data) - data.find(b"mdat")) // 2
    data[middle : middle + 200] = b"\xff" * 200
    hurt.write_bytes(data)
    drawn = []
    for cache_bytes in (2 << 30, 0):
        reading = PairDataset(
            find_clips(tmp_path, "train"),
            offsets=(0,), frames=2, pairs=4, size=24, cache_bytes=cache_bytes, on_bad_video="skip",
        )  # fmt: skip
        reading.check()
        drawn.append([reading.batch(step) for step in range(8)])
    for kept, sought in zip(*drawn, strict=True):
        assert_same(kept, sought)
        assert len(kept.skipped) == len(sought.skipped)
    assert sum(len(batch.skipped) for batch in drawn[0]) > 0


def test_too_few_clips_left(dataset):
    for clip in dataset.clips[1:]:
        clip.path.write_bytes(b"nothing")
    skipping = PairDataset({"": dataset.clips}, offsets=(0,), size=24, on_bad_video="skip")
    with pytest.raises(ValueError, match=r"fewer than two clips .* can be read: .*\.mp4: not a"):
        skipping.check()
    with pytest.raises(ValueError, match="on_bad_video must be fail or skip, got 'never'"):
        PairDataset({"": dataset.clips}, offsets=(0,), size=24, on_bad_video="never")


SCRIPT = """
import sys, time
from tacref.data import PairDataset, find_clips, iter_batches, write_video

if __name__ == "__main__":
    dataset = PairDataset(find_clips(sys.argv[1], "train"), offsets=(0,), frames=5, size=24)
    dataset.check()
    for number, _ in enumerate(iter_batches(dataset, range(10**6), workers=2)):
        if number == 3:
            print("reading", flush=True)
            time.sleep(60)
"""


def processes_of(group):
    """Processes of a process group that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if fields[2] == str(group) and fields[0] != "Z":
            found.append(entry.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_workers_end_with_a_killed_parent(dataset, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout.readline() == "reading\n"
            assert len(processes_of(process.pid)) >= 3
            process.kill()
            process.wait(20)
            end = time.monotonic() + 30
            while processes_of(process.pid) and time.monotonic() < end:
                time.sleep(0.1)
            assert processes_of(process.pid) == []
        finally:
            if processes_of(process.pid):
                os.killpg(process.pid, signal.SIGKILL)


def test_a_killed_worker_is_an_error(dataset):
    batches = iter_batches(dataset, range(10**6), workers=1)
    next(batches)
    (worker,) = batches.gi_frame.f_locals["pool"]
    worker._process.kill()
    with pytest.raises(ChildProcessError, match="a process that reads clips ended with status -9"):
        for _ in batches:
            pass


def test_no_process_or_thread_is_left(tmp_path, monkeypatch):
    import errno
    import threading
    from multiprocessing.context import SpawnProcess

    for number in range(2):
        write_video(tmp_path / "train" / f"{number}.mp4", np.zeros((6, 24, 24, 3), np.uint8))
    dataset = PairDataset(find_clips(tmp_path, "train"), offsets=(0,), size=24, pairs=1)
    start, started = SpawnProcess.start, []

    def once(self):
        if started:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        started.append(self)
        start(self)

    monkeypatch.setattr(SpawnProcess, "start", once)
    with pytest.raises(ChildProcessError, match=r"cannot be started \(Resource .*, got 2$"):
        next(iter_batches(dataset, range(4), workers=2))
    assert not started[0].is_alive()  # the one that did start is ended

    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    dataset.check()
    assert list(dataset.lengths.values()) == [6, 6]
