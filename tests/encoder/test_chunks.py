"""Chunks of a long video: together the whole, each with its context."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tacref.data import context_windows
from tacref.encoder.chunks import iter_chunks


@given(
    length=st.integers(1, 40),
    size=st.integers(1, 12),
    offsets=st.lists(st.integers(-9, 9), min_size=1, max_size=4, unique=True).map(sorted),
)
def test_windows_of_chunks_are_windows_of_the_whole(length, size, offsets):
    frames = np.arange(length)
    rows = []
    for chunk, own in iter_chunks(frames, offsets, size):
        assert len(chunk) <= size + max(0, -min(offsets)) + max(0, max(offsets))
        windows = context_windows(np.arange(len(chunk)), offsets, len(chunk))
        rows.append(chunk[windows][own])
    whole = frames[context_windows(np.arange(length), offsets, length)]
    assert_array_equal(np.concatenate(rows), whole)


def test_no_frames():
    assert list(iter_chunks([], (0,))) == []


def test_large_frames_make_short_chunks():
    frame = np.zeros((1080, 1920, 3), np.uint8)
    chunks = [own for _, own in iter_chunks((frame for _ in range(20)), (0,))]
    assert [own.stop - own.start for own in chunks] == [16, 4]


def test_size_must_be_positive():
    with pytest.raises(ValueError, match="size must be >= 1, got 0"):
        list(iter_chunks([np.zeros(3)], (0,), size=0))
