"""One frame in each segment, with its context."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tacref.data import context_windows, segment_uniform


@given(length=st.integers(1, 500), count=st.integers(1, 60), seed=st.integers(0, 99))
def test_one_frame_in_each_segment(length, count, seed):
    frames = segment_uniform(length, count, np.random.default_rng(seed))
    assert frames.dtype == np.int64
    assert frames.shape == (count,)
    # Segment k is [k length / count, (k + 1) length / count); its draw is rounded down.
    for k, frame in enumerate(frames):
        assert (k * length) // count <= frame < -(-(k + 1) * length // count)


def test_all_frames_of_a_segment_are_drawn_alike():
    rng = np.random.default_rng(0)
    draws = np.array([segment_uniform(12, 3, rng) for _ in range(4000)])
    for segment in range(3):
        counts = np.bincount(draws[:, segment] - 4 * segment, minlength=4)
        # 1000 expected of each, standard deviation 27.
        assert np.abs(counts - 1000).max() < 5 * 27


def test_short_clips_repeat():
    assert_array_equal(segment_uniform(1, 4, np.random.default_rng(0)), [0, 0, 0, 0])


def test_never_past_the_end():
    class AlmostOne:
        def random(self, count):
            return np.full(count, np.nextafter(1.0, 0.0))

    for length in (3, 7, 10**6 + 3):
        assert segment_uniform(length, 7, AlmostOne())[-1] == length - 1


@pytest.mark.parametrize(("length", "count", "name"), [(0, 3, "length"), (3, 0, "count")])
def test_segment_uniform_refuses(length, count, name):
    with pytest.raises(ValueError, match=f"{name} must be >= 1, got 0"):
        segment_uniform(length, count, np.random.default_rng(0))


def test_context_windows_stay_in_the_clip():
    windows = context_windows(np.array([0, 4, 9]), (-3, 0, 2), 10)
    assert_array_equal(windows, [[0, 0, 2], [1, 4, 6], [6, 9, 9]])
    assert windows.dtype == np.int64
