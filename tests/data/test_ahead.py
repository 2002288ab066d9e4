"""Items read ahead: order, errors, closing."""

import threading
import time

import pytest

from tacref.data import ahead
from tacref.data.ahead import read_ahead


@pytest.fixture(params=[1, 2])
def cores(request, monkeypatch):
    monkeypatch.setattr(ahead, "threads_available", lambda: request.param)
    return request.param


def test_order(cores):
    assert list(read_ahead(iter(range(100)), 3)) == list(range(100))
    assert list(read_ahead(iter(()), 3)) == []


def test_an_error_comes_after_the_items_before_it(cores):
    def items():
        yield 1
        raise ValueError("broken at 2")

    made = read_ahead(items(), 3)
    assert next(made) == 1
    with pytest.raises(ValueError, match="broken at 2"):
        next(made)


def test_closing_ends_the_thread_and_the_items(cores):
    closed = []

    def items():
        try:
            yield from range(10**9)
        finally:
            closed.append(True)

    made = read_ahead(items(), 2)
    assert next(made) == 0
    made.close()
    assert cores == 1 or closed == [True]
    assert not [each for each in threading.enumerate() if each.name == "tacref-ahead"]


def test_items_are_made_ahead_up_to_the_count(monkeypatch):
    monkeypatch.setattr(ahead, "threads_available", lambda: 2)
    made = []

    def items():
        for number in range(10):
            made.append(number)
            yield number

    read = read_ahead(items(), 3)
    assert next(read) == 0
    until = time.monotonic() + 10
    while len(made) < 4 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.05)
    assert 4 <= len(made) <= 5  # one taken, three waiting, perhaps one in hand
    assert list(read) == list(range(1, 10))
