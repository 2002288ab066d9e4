"""Deviations: by the formula written out, of planted faults, and none of ordinary clips."""

import numpy as np
import pytest

from benchmarks.deviations import draw_moments, faulty_order, measure, progress_embedding
from tacref.alignment import Alignment, align
from tacref.alignment.deviations import (
    DEFAULT_THRESHOLD,
    MIN_SPREAD,
    Deviation,
    deviation_scores,
    find_deviations,
)

EMBED = progress_embedding(0.05)


def made_set(rng, orders):
    """Alignments of a normal clip with clips of these orders of phases, and all moments."""
    reference, *clips = (draw_moments(order, rng) for order in ([*range(7)], *orders))
    x = EMBED(reference, rng)
    alignments = [align(x, EMBED(clip, rng)) for clip in clips]
    return alignments, [np.array([phase for phase, _ in clip]) for clip in (reference, *clips)]


def scores_by_hand(alignments):
    """The formula of docs/report.md, frame by frame."""
    every = [cost for alignment in alignments for cost in alignment.step_costs]
    levels = []
    for alignment in alignments:
        costs = alignment.step_costs.tolist()
        around = [costs[max(0, s - 3) : s + 4] for s in range(len(costs))]
        level = [np.log(sum(some) / len(some) + 0.1 * np.median(every)) for some in around]
        levels.append([each - np.median(level) for each in level])
    n = len(alignments[0].x)
    profiles = [
        [
            np.mean([v for v, i in zip(level, alignment.path[:, 0], strict=True) if i == frame])
            for frame in range(n)
        ]
        for alignment, level in zip(alignments, levels, strict=True)
    ]
    scores = []
    for k, alignment in enumerate(alignments):
        others = [profile for m, profile in enumerate(profiles) if m != k]
        median = [np.median([profile[i] for profile in others]) for i in range(n)]
        far = [[abs(profile[i] - median[i]) for profile in others] for i in range(n)]
        overall = np.median([distance for each in far for distance in each])
        spreads = []
        for i in range(n):
            start = min(max(i - 10, 0), max(n - 21, 0))
            near = np.median([distance for each in far[start : start + 21] for distance in each])
            spreads.append(max(1.4826 * max(near, overall), MIN_SPREAD))
        scores.append(
            [
                (value - median[i]) / spreads[i]
                for value, i in zip(levels[k], alignment.path[:, 0], strict=True)
            ]
        )
    return scores


@pytest.mark.parametrize(("n", "count"), [(1, 5), (12, 5), (21, 6), (40, 7)])
def test_scores_by_the_formula_written_out(n, count, monkeypatch):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, 3))
    alignments = [align(x, rng.normal(size=(n + k, 3))) for k in range(count)]
    expected = scores_by_hand(alignments)
    for blocks in (2**22, 100):  # all windows at once, and a few at a time
        monkeypatch.setattr("tacref.alignment.deviations._MAX_BLOCK", blocks)
        for found, by_hand in zip(deviation_scores(alignments), expected, strict=True):
            np.testing.assert_allclose(found, by_hand, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("phase", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("fault", ["missing", "twice", "swapped"])
def test_planted_faults_are_found_where_they_are(fault, phase):
    """In the order of phases of the built-in activity, with its own speeds."""
    rng = np.random.default_rng([phase, len(fault)])
    normal = [*range(7)]
    orders = [normal] * 6 + [faulty_order(fault, phase)]
    alignments, (reference, *_, odd) = made_set(rng, orders)
    *ordinary, found = find_deviations(alignments)
    assert sum(map(bool, ordinary)) <= 1
    assert found
    planted = {phase, phase + 1} if fault == "swapped" else {phase}
    for each in found:
        assert each.z > DEFAULT_THRESHOLD
        assert 0 < each.mean_cost <= each.max_cost
        assert planted & set(reference[each.start_x : each.end_x].tolist())
    frames = np.flatnonzero(np.isin(reference, [*planted]))
    if fault == "missing":  # most of the step in the reference, next to none in the clip
        ((start, end),) = [(each.start_x, each.end_x) for each in found]
        overlap = min(end, frames[-1] + 1) - max(start, frames[0])
        assert overlap / (max(end, frames[-1] + 1) - min(start, frames[0])) > 0.5
        assert found[0].end_y - found[0].start_y < 0.6 * (end - start)
    else:  # frames of the clip that are too many, or out of order
        shown = {phase for each in found for phase in odd[each.start_y : each.end_y].tolist()}
        assert planted & shown


def test_no_deviations_of_ordinary_clips():
    marked = clips = 0
    for seed in range(12):
        alignments, _ = made_set(np.random.default_rng(seed), [[*range(7)]] * 7)
        marked += sum(map(bool, find_deviations(alignments)))
        clips += len(alignments)
    assert marked <= 0.03 * clips


def test_the_benchmark_counts_what_it_plants():
    shares = measure(EMBED, 5, 3, threshold=DEFAULT_THRESHOLD, seed=1)
    assert shares == {"missing": 1, "twice": 1, "swapped": 1, "ordinary": shares["ordinary"]}
    assert shares["ordinary"] <= 0.05
    assert measure(EMBED, 5, 3, threshold=1e6, seed=1) == dict.fromkeys(shares, 0)


def constant_set(count, odd):
    """Clips at a distance of 1 everywhere, but the last one for some frames."""
    x = np.zeros((30, 1))
    path = np.stack((np.arange(30), np.arange(30)), 1)
    times = np.arange(30.0)
    clips = [x + 1 for _ in range(count)]
    clips[-1][odd] = 3
    return [Alignment(path, x, y, times, times) for y in clips]


def test_frames_costs_and_merging_by_hand():
    alignments = constant_set(6, slice(10, 16))
    found = find_deviations(alignments, threshold=5)
    assert found[:-1] == [[]] * 5
    ((start_x, end_x, start_y, end_y, mean, largest, z),) = found[-1]
    assert (start_x, end_x) == (start_y, end_y)
    assert start_x < 10 < 16 < end_x  # smoothing widens it a little
    assert end_x - start_x <= 6 + 2 * 3
    costs = alignments[-1].step_costs[start_x:end_x]
    assert (mean, largest) == (costs.mean(), 9)
    # Seven steps around the middle: six of cost 9, one of cost 1.
    assert z == pytest.approx(np.log((55 / 7 + 0.1) / 1.1) / MIN_SPREAD)
    # Two stretches with fewer steps between than costs are averaged over are one.
    for gap, count in ((4, 1), (16, 2)):
        odd = np.r_[2:6, 6 + gap : 10 + gap]
        (*_, of_odd) = find_deviations(constant_set(6, odd), threshold=5)
        assert len(of_odd) == count
        assert all(isinstance(each, Deviation) for each in of_odd)


def test_clips_that_are_the_same_deviate_nowhere():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 4))
    assert find_deviations([align(x, x) for _ in range(5)]) == [[]] * 5
    # Nor does rounding, where all else is equal.
    rounded = x + 1e-12 * rng.normal(size=x.shape)
    assert find_deviations([*(align(x, x) for _ in range(5)), align(x, rounded)]) == [[]] * 6


def test_a_clip_that_is_unlike_the_others_throughout_has_no_stretch_of_its_own():
    rng = np.random.default_rng(1)
    alignments, _ = made_set(rng, [[*range(7)]] * 6)
    last = alignments[-1]
    far = Alignment(last.path, last.x, last.y + 0.6, last.times_x, last.times_y)
    assert far.mean_cost > 10 * last.mean_cost
    assert find_deviations([*alignments[:-1], far])[-1] == []


def test_refusals():
    alignments = constant_set(6, slice(0))
    with pytest.raises(
        ValueError, match="at least 5, so that each is compared with 4 others, got 4"
    ):
        find_deviations(alignments[:4])
    with pytest.raises(ValueError, match="threshold must be finite and > 0, got 0"):
        find_deviations(alignments, threshold=0)
    other = align(np.zeros((7, 1)), np.zeros((7, 1)))
    with pytest.raises(ValueError, match=r"must have the same x, got \[7, 30\] frames"):
        find_deviations([*alignments, other])


def test_paths_that_leave_some_of_the_reference_out_are_refused():
    alignments = constant_set(6, slice(0))
    last = alignments[-1]
    part = align(last.x, last.y[5:], open_begin="x")
    with pytest.raises(ValueError, match=r"must be of all of x, .* from frame 5 to 29 of 30"):
        find_deviations([*alignments[:-1], part])


def test_steps_that_skip_and_weigh():
    rng = np.random.default_rng(3)
    alignments, _ = made_set(rng, [[*range(7)]] * 6)
    slope = [align(each.x, each.y, steps="slope") for each in alignments]
    assert any(len(np.unique(each.path[:, 0])) < len(each.x) for each in slope)
    for scores, each in zip(deviation_scores(slope), slope, strict=True):
        assert scores.shape == (len(each.path),)
        assert np.isfinite(scores).all()
    # Frames deviate by what they cost, whatever steps weigh.
    steps = [(1, 1, 1), (1, 0, 1), (0, 1, 1)]
    one, five = (
        [align(each.x, each.y, steps=[(a, b, w * k) for a, b, w in steps]) for each in alignments]
        for k in (1, 5)
    )
    for a, b, c, d in zip(deviation_scores(one), deviation_scores(five), one, five, strict=True):
        assert np.array_equal(c.path, d.path)
        np.testing.assert_allclose(a, b, rtol=1e-12)
