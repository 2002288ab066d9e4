"""The online aligner: equal to open-end DTW, by an oracle; catches up; sees who is off script."""

import doctest
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tacref.alignment import OnlineAligner, align, dtw, online
from tests import oracles


def walk(length, seed=0, d=4):
    """Unit vectors that move on steadily and never come back."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 1.5 * np.pi, length)
    plane = np.linalg.qr(rng.normal(size=(d, 2)))[0]
    return np.stack((np.cos(angles), np.sin(angles)), 1) @ plane.T


def costs(reference, video):
    return ((video[:, None] - reference[None]) ** 2).sum(-1)


@pytest.mark.parametrize("open_begin", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 4), (4, 1), (5, 5), (3, 5)])
def test_every_position_is_that_of_the_cheapest_of_all_paths(n, m, dtype, open_begin):
    rng = np.random.default_rng(n + 10 * m)
    reference = rng.normal(size=(n, 3)).astype(dtype)
    video = rng.normal(size=(m, 3))
    D = costs(reference.astype(np.float64), video)
    aligner = OnlineAligner(reference, open_begin=open_begin)
    for frame in range(m):
        position = aligner.update(video[frame])
        begins = range(n) if open_begin else [0]
        totals = {
            (begin, end): oracles.dtw(D[: frame + 1, begin : end + 1])
            for begin in begins
            for end in range(begin, n)
        }
        begin, end = min(totals, key=totals.__getitem__)
        assert position.frame == end
        # float64 sums of a few terms of order 1, in another order
        assert_allclose(position.cost, totals[begin, end], rtol=1e-13)
        assert_allclose(position.local_cost, D[frame, end], rtol=1e-13)
    assert aligner.frames_seen == m


def test_after_the_whole_video_its_cost_is_that_of_open_end_dtw():
    rng = np.random.default_rng(0)
    reference, video = rng.normal(size=(2100, 5)), rng.normal(size=(60, 5))
    aligner = OnlineAligner(reference)  # more than one chunk of costs
    for frame in video:
        position = aligner.update(frame)
    assert_allclose(position.cost, dtw(reference[: position.frame + 1], video), rtol=1e-12)
    for end in (position.frame - 1, position.frame + 2, 2100):
        assert dtw(reference[:end], video) >= position.cost


def test_catches_up_after_a_pause_and_a_jump():
    reference = walk(100)
    order = np.concatenate([np.arange(30), np.full(40, 30), np.arange(31, 60), np.arange(75, 100)])
    aligner = OnlineAligner(reference)
    found = np.array([aligner.update(reference[frame]).frame for frame in order])
    jump = 30 + 40 + 29
    np.testing.assert_array_equal(found[:jump], order[:jump])
    np.testing.assert_array_equal(found[jump + 5 :], order[jump + 5 :])


def test_off_script_and_back():
    reference = walk(200, d=8)
    rng = np.random.default_rng(3)
    other = rng.normal(size=(40, 8))
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    video = np.concatenate([reference[:80], other, reference[80:]])
    aligner = OnlineAligner(reference)
    positions = [aligner.update(frame) for frame in video]
    flags = np.array([position.off_script for position in positions])
    assert not flags[:80].any()
    assert flags[90:120].all()
    confidences = np.array([position.confidence for position in positions])
    assert (confidences[flags] < 0.5).all()
    assert (confidences[flags][5:20] < 0.01).all()
    assert (confidences[10:80] > 0.9).all()
    assert not flags[140:].any()
    assert abs(positions[-1].frame - 199) <= 1
    assert abs(positions[150].frame - 110) <= 5


def test_a_performer_in_no_part_of_the_reference_has_no_phase():
    reference = walk(60, d=8)
    other = np.random.default_rng(3).normal(size=(30, 8))
    aligner = OnlineAligner(reference, phases=["first"] * 30 + ["last"] * 30)
    video = np.concatenate([reference[:20], other, reference[20:]])
    positions = list(aligner.follow(video))
    phases = [position.phase for position in positions]
    assert [phase is None for phase in phases] == [position.off_script for position in positions]
    assert phases[:20] == ["first"] * 20
    assert phases[30:50] == [None] * 20
    assert phases[-20:] == ["last"] * 20


@pytest.mark.parametrize("away", [3.0, 30.0, 3000.0])
def test_coming_back_is_seen_soon_however_far_away_the_performer_was(away):
    reference = walk(80, d=8)
    normal = np.linalg.svd(reference)[2][-1]  # as far from all frames of the reference
    video = np.concatenate([reference[:30], np.tile(away * normal, (40, 1)), reference[30:]])
    positions = list(OnlineAligner(reference).follow(video))
    off = np.array([position.off_script for position in positions])
    assert not off[:30].any()
    assert off[34:70].all()
    assert not off[70 + 8 :].any()  # 10 recent frames times log 2
    frames = np.array([position.frame for position in positions])
    assert np.abs(frames[78:] - np.arange(38, 80)).max() <= 1


def test_rows_of_any_iterator_as_they_come():
    reference, taken = walk(10), []

    def sensor():
        for row in reference.tolist():
            taken.append(row)
            yield row

    aligner = OnlineAligner(reference)
    for number, position in enumerate(aligner.follow(sensor())):
        assert len(taken) == number + 1  # no row is asked for before it is needed
        assert position.frame == number
    assert aligner.frames_seen == 10
    assert aligner.dim == 4
    again = OnlineAligner(reference)
    assert [again.update(row) for row in reference] == list(
        OnlineAligner(reference).follow(reference)
    )


def test_a_wrong_row_is_named():
    reference = walk(10)
    for row, message in (
        (np.ones(3), r"row 2: embedding must have shape \(4,\), got \(3,\)"),
        ([1, 2, np.nan, 4], "row 2: embedding must be finite"),
        (["a"] * 4, "row 2: embedding must hold real numbers"),
    ):
        aligner = OnlineAligner(reference)
        positions = aligner.follow([reference[0], reference[1], row])
        assert [next(positions).frame, next(positions).frame] == [0, 1]
        with pytest.raises(ValueError, match=message):
            next(positions)
        assert aligner.frames_seen == 2


def test_the_example_in_the_docstring():
    failed, tried = doctest.testmod(online)
    assert failed == 0
    assert tried >= 3


def test_confidence_is_low_where_two_places_look_alike():
    reference = walk(60)
    twice = np.concatenate([reference, reference])
    unsure = OnlineAligner(twice, open_begin=True)
    for frame in reference[20:40]:
        position = unsure.update(frame)
    assert position.confidence == pytest.approx(0.5, abs=0.05)
    sure = OnlineAligner(twice)
    for frame in reference[:40]:
        position = sure.update(frame)
    assert position.frame == 39
    assert position.confidence > 0.95


def test_open_begin_starts_in_the_middle():
    reference = walk(100)
    aligner = OnlineAligner(reference, open_begin=True)
    assert aligner.update(reference[60]).frame == 60
    assert aligner.update(reference[61]).frame == 61
    closed = OnlineAligner(reference)
    assert closed.update(reference[60]).cost > 0


def test_phases_and_reset():
    reference = walk(10)
    aligner = OnlineAligner(reference, phases=["down"] * 4 + ["up"] * 6)
    shown = [aligner.update(frame).phase for frame in reference]
    assert shown == ["down"] * 4 + ["up"] * 6
    aligner.reset()
    assert aligner.frames_seen == 0
    position = aligner.update(reference[0])
    assert (position.frame, position.cost, position.phase) == (0, 0.0, "down")
    assert OnlineAligner(reference).update(reference[0]).phase is None


def test_a_reference_that_never_changes():
    aligner = OnlineAligner(np.ones((5, 2)))
    position = aligner.update([1.0, 1.0])
    assert (position.frame, position.off_script) == (0, False)
    assert not aligner.update([1.0, 1.0 + 1e-6]).off_script
    assert aligner.update([3.0, 1.0]).off_script


def test_memory_does_not_grow_with_the_video():
    reference, frame = walk(50), np.ones(4)
    aligner = OnlineAligner(reference)
    for _ in range(100):
        aligner.update(frame)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20_000):
            aligner.update(frame)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10_000  # bytes: not one a frame
    assert aligner.frames_seen == 20_100


def test_inputs_are_left_alone():
    reference, frame = walk(20), walk(20)[3]
    kept = reference.copy(), frame.copy()
    OnlineAligner(reference).update(frame)
    np.testing.assert_array_equal(reference, kept[0])
    np.testing.assert_array_equal(frame, kept[1])


@pytest.mark.parametrize(
    ("reference", "options", "message"),
    [
        (np.zeros(3), {}, r"reference must have shape \(frames, d\), not empty, got \(3,\)"),
        (np.zeros((0, 2)), {}, r"reference must have shape .* got \(0, 2\)"),
        (np.full((2, 2), np.nan), {}, "reference must be finite"),
        (np.full((2, 2), 1e200), {}, "reference must be finite and at most 1e[+]140"),
        (np.zeros((3, 2)), {"phases": ["a"]}, "phases must be 3, one per frame, got 1"),
        (np.zeros((3, 2)), {"tolerance": 0}, "tolerance must be finite and > 0, got 0"),
        (np.zeros((3, 2)), {"recent_frames": 0.5}, "recent_frames must be >= 1, got 0.5"),
        (np.zeros((3, 2)), {"cost": "cos"}, "cost must be one of sqeuclidean, .* got 'cos'"),
        (np.zeros((3, 2)), {"steps": "steep"}, "steps must be one of any, slope, asymmetric"),
    ],
)
def test_refusals(reference, options, message):
    with pytest.raises(ValueError, match=message):
        OnlineAligner(reference, **options)


def test_a_frame_that_is_refused_does_not_count():
    reference = walk(10)
    aligner = OnlineAligner(reference)
    aligner.update(reference[0])
    with pytest.raises(ValueError, match=r"embedding must have shape \(4,\), got \(3,\)"):
        aligner.update(np.zeros(3))
    with pytest.raises(ValueError, match="embedding must be finite"):
        aligner.update([0, np.nan, 0, 0])
    assert aligner.frames_seen == 1
    assert aligner.update(reference[1]).frame == 1


STEPS = {
    "slope": [(1, 1, 1), (1, 2, 1), (2, 1, 1)],
    "asymmetric": [(1, 0, 1), (1, 1, 1), (1, 2, 1)],
    "weighted": [(1, 1, 2), (1, 0, 1), (0, 1, 1), (0, 3, 0.5)],
}


@pytest.mark.parametrize("open_begin", [False, True])
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(("n", "m"), [(1, 2), (4, 1), (5, 5), (3, 6), (6, 4)])
def test_positions_by_other_steps_are_those_of_all_paths(n, m, name, open_begin):
    """Rows are the video's frames, columns the reference's."""
    rng = np.random.default_rng(n + 10 * m)
    reference, video = (rng.integers(0, 4, (length, 2)).astype(float) for length in (n, m))
    D = costs(reference, video)
    aligner = OnlineAligner(reference, open_begin=open_begin, steps=STEPS[name])
    for frame in range(m):
        totals = {
            (begin, end): oracles.steps_dtw(D[: frame + 1, begin : end + 1], STEPS[name])[0]
            for begin in (range(n) if open_begin else [0])
            for end in range(begin, n)
        }
        least = min(totals.values())
        if least == np.inf:
            with pytest.raises(ValueError, match=f"lead to no frame .* at frame {frame} of"):
                aligner.update(video[frame])
            assert aligner.frames_seen == frame
            return
        position = aligner.update(video[frame])
        assert position.cost == least
        ends = [end for (_, end), total in totals.items() if total == least]
        assert position.frame == min(ends)
        assert position.local_cost == D[frame, position.frame]


def test_a_name_is_its_list_and_any_is_the_default():
    rng = np.random.default_rng(3)
    reference, video = rng.normal(size=(1500, 4)), rng.normal(size=(50, 4))
    for name, listed in {**STEPS, "any": [(0, 1, 1), (1, 0, 1), (1, 1, 1)]}.items():
        if name == "weighted":
            continue
        one, other = (OnlineAligner(reference, steps=steps) for steps in (name, listed))
        for frame in video:
            assert one.update(frame) == other.update(frame)
    assert OnlineAligner(reference, steps="any").update(video[0]) == OnlineAligner(
        reference
    ).update(video[0])


@pytest.mark.parametrize("cost", ["euclidean", "cosine", "l1"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("steps", ["any", "asymmetric"])
def test_other_costs(cost, dtype, steps):
    rng = np.random.default_rng(4)
    reference = rng.normal(size=(1100, 5)).astype(dtype)  # more than one block
    video = rng.normal(size=(30, 5))
    aligner = OnlineAligner(reference, cost=cost, steps=steps)
    for frame in video:
        position = aligner.update(frame)
    expected = dtw(video, reference[: position.frame + 1], cost=cost, steps=steps)
    assert_allclose(position.cost, expected, rtol=1e-12)
    whole = align(video, reference[: position.frame + 1], cost=cost, steps=steps)
    assert_allclose(position.local_cost, whole.D[-1, -1], rtol=1e-12)
    same = OnlineAligner(reference, cost=cost, steps=steps)
    for number in range(40):
        position = same.update(reference[number])
        assert (position.frame, position.cost) == (number, 0.0)
        assert not position.off_script


def test_the_performer_may_not_stay_where_steps_forbid_it():
    reference = walk(10)
    aligner = OnlineAligner(reference, steps="slope")
    for _ in range(19):
        aligner.update(reference[9])
    with pytest.raises(ValueError, match=r'"slope" lead to no frame of the reference at frame 19'):
        aligner.update(reference[9])
    aligner.reset()
    assert aligner.update(reference[0]).frame == 0


def test_frames_without_a_cosine_are_refused():
    reference = walk(10)
    aligner = OnlineAligner(reference, cost="cosine")
    with pytest.raises(ValueError, match="embedding must not be zeros, which have no cosine"):
        aligner.update(np.zeros(4))
    assert aligner.frames_seen == 0
    reference[3] = 0
    with pytest.raises(ValueError, match=r"reference must not hold rows of zeros, .* at row 3"):
        OnlineAligner(reference, cost="cosine")
