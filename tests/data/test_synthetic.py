"""The built-in activity: exact labels, a warp of its own in each clip, repeatable by seed."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from tacref.data import find_clips, load_clip, phase_labels, read_phases
from tacref.data.scene import PHASES, Scene, pose
from tacref.data.synthetic import draw_timeline, make_dataset, render
from tacref.evaluation import kendall_tau

SIZE = 64


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("made") / "set", train=3, val=2, seed=7, size=SIZE)


@pytest.fixture(scope="module")
def clips(dataset):
    """Each clip's path below the data set, and its frames."""
    return {
        clip.path.relative_to(dataset).as_posix(): load_clip(clip.path)
        for split in ("train", "val")
        for clip in find_clips(dataset, split)[""]
    }


def timelines(count):
    return [draw_timeline(np.random.default_rng(seed)) for seed in range(count)]


def moments(timeline):
    return [(phase, p) for phase, progress in enumerate(timeline) for p in progress]


def numbers(pose):
    """All that a pose shows, as one vector; a radian or a whole level weighs as a tenth."""
    turned = (pose.jug_tilt, pose.jug_level, pose.glass_tilt, pose.glass_level)
    return np.concatenate([pose.hand, pose.jug, pose.glass, np.array(turned) / 10])


def read_progress(dataset, name):
    split, video = name.split("/")
    with (dataset / split / "progress.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["video"] == video]
    assert [int(row["frame"]) for row in rows] == list(range(len(rows)))
    return np.array([float(row["progress"]) for row in rows])


def lengths_of(clips, split):
    return {
        name.removeprefix(f"{split}/"): len(clip.frames)
        for name, clip in clips.items()
        if name.startswith(split)
    }


def test_files(dataset, clips):
    assert sorted(path.name for path in dataset.iterdir()) == ["train", "val"]
    for split, count in (("train", 3), ("val", 2)):
        videos = [f"clip_{number:03d}.mp4" for number in range(count)]
        names = sorted(path.name for path in (dataset / split).iterdir())
        assert names == [*videos, "phases.csv", "progress.csv"]
    for clip in clips.values():
        assert clip.frames.shape[1:] == (SIZE, SIZE, 3)
        np.testing.assert_allclose(np.diff(clip.timestamps), 1 / 25, atol=1e-6)


def test_phases_cover_each_clip_in_order(dataset, clips):
    assert len(PHASES) >= 5
    for split in ("train", "val"):
        lengths = lengths_of(clips, split)
        # read_phases refuses overlaps and ends beyond the clip's.
        phases = read_phases(dataset / split, lengths)
        assert phases.keys() == lengths.keys()
        for name, intervals in phases.items():
            assert tuple(interval.phase for interval in intervals) == PHASES
            assert None not in phase_labels(intervals, lengths[name])


def test_progress_agrees_with_the_phases(dataset, clips):
    for name, clip in clips.items():
        split, video = name.split("/")
        progress = read_progress(dataset, name)
        assert len(progress) == len(clip.frames)
        assert (np.diff(progress) > 0).all()
        # Inside (0, 1), or a phase would have no number.
        lengths = lengths_of(clips, split)
        labels = phase_labels(read_phases(dataset / split, lengths)[video], lengths[video])
        assert [PHASES[int(share * len(PHASES))] for share in progress] == labels


def test_frames_show_what_is_labeled(clips):
    rng = np.random.default_rng([7, 1, 0])  # seed, val, first clip
    drawn = np.stack(list(render(draw_timeline(rng), rng, SIZE))).astype(float)
    decoded = clips["val/clip_000.mp4"].frames
    assert decoded.shape == drawn.shape
    # H.264 loses noise and sharp color; still each frame is its own drawing and no neighbor's.
    nearest = [np.abs(drawn - frame).mean(axis=(1, 2, 3)).argmin() for frame in decoded]
    assert nearest == list(range(len(decoded)))


def test_a_clip_depends_on_seed_and_number_alone(tmp_path):
    few = make_dataset(tmp_path / "few", train=2, val=2, seed=7, size=SIZE)
    more = make_dataset(tmp_path / "more", train=3, val=2, seed=7, size=SIZE)
    other = make_dataset(tmp_path / "other", train=2, val=2, seed=8, size=SIZE)
    for name in ("train/clip_001.mp4", "val/clip_000.mp4"):
        assert (few / name).read_bytes() == (more / name).read_bytes()
        np.testing.assert_array_equal(read_progress(few, name), read_progress(more, name))
        assert not np.array_equal(read_progress(few, name), read_progress(other, name))


def test_frame_rate_changes_the_clock_only(dataset, clips, tmp_path):
    slow = make_dataset(tmp_path / "slow", train=2, val=2, seed=7, size=32, fps=10)
    for name in ("train/clip_000.mp4", "val/clip_001.mp4"):
        np.testing.assert_array_equal(read_progress(slow, name), read_progress(dataset, name))
        timestamps = load_clip(slow / name).timestamps
        np.testing.assert_allclose(timestamps, np.arange(len(clips[name].frames)) / 10, atol=1e-6)


def test_rendering_is_deterministic():
    def draw(seed):
        rng = np.random.default_rng(seed)
        return np.stack(list(render([p[:2] for p in draw_timeline(rng)], rng, SIZE)))

    np.testing.assert_array_equal(draw(3), draw(3))
    assert draw(3).shape == draw(4).shape
    # Not the same picture with other noise: whole colors differ.
    assert np.abs(draw(3).astype(float) - draw(4)).mean() > 20


def test_clips_differ_in_length_and_warp():
    drawn = timelines(40)
    lengths = [sum(map(len, timeline)) for timeline in drawn]
    assert max(lengths) > 1.5 * min(lengths)
    for timeline in drawn:
        done = np.array([phase + p for phase, p in moments(timeline)]) / len(PHASES)
        even = (np.arange(len(done)) + 0.5) / len(done)
        assert np.abs(done - even).max() > 0.02
        steps = np.diff(done)
        assert steps.max() > 2 * steps.min() > 0


def test_nothing_rests_and_nothing_jumps():
    for timeline in timelines(40):
        steps = [numbers(pose(*moment)) for moment in moments(timeline)]
        way = np.linalg.norm(np.diff(steps, axis=0), axis=1)
        assert way.min() > 0.001
        # A rest of six frames would leave the order of frames to chance.
        assert np.convolve(way, np.ones(6), "valid").min() > 0.01
        assert way.max() < 0.2


def test_phases_join():
    for phase in range(len(PHASES) - 1):
        np.testing.assert_allclose(
            numbers(pose(phase, 1.0)), numbers(pose(phase + 1, 0.0)), atol=1e-12
        )


def test_no_two_moments_look_alike():
    grid = [(phase, p) for phase in range(len(PHASES)) for p in np.linspace(0, 1, 20)]
    shown = np.array([numbers(pose(*moment)) for moment in grid])
    apart = np.linalg.norm(shown[:, None] - shown, axis=2)
    when = np.array([phase + p for phase, p in grid])
    assert apart[np.abs(when[:, None] - when) > 0.6].min() > 0.05


def test_level_falls_in_the_jug_and_rises_in_the_glass():
    pouring = [pose(PHASES.index("pour"), p) for p in np.linspace(0, 1, 9)]
    assert [p.pouring for p in pouring] == [False] + [True] * 8
    glass = [p.glass_level for p in pouring]
    assert glass == sorted(glass)
    assert (glass[0], glass[-1]) == (0.0, 1.0)
    jug = [p.jug_level for p in pouring]
    assert jug == sorted(jug, reverse=True)
    assert pose(PHASES.index("drink"), 1.0).glass_level == 0.0


def test_some_scenes_are_mirrored():
    sides = set()
    for seed in range(12):
        scene = Scene(np.random.default_rng(seed), SIZE)
        near = replace(pose(0, 0.0), jug=pose(3, 1.0).jug)
        moved = np.abs(scene.draw(pose(0, 0.0), 0).astype(float) - scene.draw(near, 0)).sum(axis=2)
        # Only the jug differs, from far out over the table to near the person.
        left, right = moved[:, : SIZE // 3].sum(), moved[:, -SIZE // 3 :].sum()
        sides.add("left" if left > right else "right")
    assert sides == {"left", "right"}


def test_each_frame_has_its_own_noise():
    scene = Scene(np.random.default_rng(0), SIZE)
    first, second = (scene.draw(pose(0, 0.5), 3).astype(float) for _ in range(2))
    assert 1 < np.abs(first - second).mean() < 20


def test_raw_pixels_do_not_align(clips):
    raw = [
        clip.frames[:, ::4, ::4].reshape(len(clip.frames), -1).astype(float) / 255
        for clip in clips.values()
    ]
    assert kendall_tau(raw) < 0.8


def test_progress_does_align(dataset, clips):
    exact = [read_progress(dataset, name)[:, None] for name in clips]
    # Not 1: where one clip is slower, some of its frames share a nearest frame.
    assert kendall_tau(exact) > 0.98


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 1}, "train must be >= 2 clips, got 1"),
        ({"val": 0}, "val must be >= 2 clips, got 0"),
        ({"seed": -1}, "seed must be >= 0, got -1"),
        ({"size": 30}, "size must be even and >= 32 pixels, got 30"),
        ({"size": 65}, "size must be even and >= 32 pixels, got 65"),
        ({"fps": 0}, "fps must be finite and > 0, got 0"),
        ({"fps": float("nan")}, "fps must be finite and > 0, got nan"),
        ({"fps": float("inf")}, "fps must be finite and > 0, got inf"),
    ],
)
def test_refuses_numbers_out_of_range(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        make_dataset(tmp_path / "set", **options)
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_folder_in_use(tmp_path):
    kept = tmp_path / "set" / "kept.txt"
    kept.parent.mkdir()
    kept.write_text("kept", encoding="utf-8")
    with pytest.raises(ValueError, match="output folder is not empty"):
        make_dataset(tmp_path / "set", train=2, val=2, size=32)
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "kept.txt"]


def test_leaves_nothing_half_written(tmp_path, monkeypatch):
    def fail(path, frames, fps):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("tacref.data.synthetic.write_video", fail)
    with pytest.raises(OSError, match="disk full"):
        make_dataset(tmp_path / "set", train=2, val=2, size=32)
    assert list(tmp_path.iterdir()) == []
