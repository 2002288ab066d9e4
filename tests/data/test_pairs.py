"""Batches of pairs: reproducible, right in every index, bounded in memory."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tacref.data import Clip, PairDataset, find_clips
from tacref.data.augment import augment_pictures, change_view, stretch_offsets

OFFSETS = (-3, 0, 2)


@pytest.fixture
def features(tmp_path):
    """Two activities whose rows say activity, clip and frame."""
    for activity, lengths in enumerate([(30, 41, 52), (4, 25)]):
        folder = tmp_path / "train" / f"activity_{activity}"
        folder.mkdir(parents=True)
        for clip, length in enumerate(lengths):
            rows = [(activity, clip, frame) for frame in range(length)]
            np.save(folder / f"{clip}.npy", np.array(rows, np.float32))
    return find_clips(tmp_path, "train")


@pytest.fixture
def videos(tmp_path, make_video):
    for name, count in {"a": 20, "b": 25, "c": 30}.items():
        make_video(tmp_path / "train" / f"{name}.mp4", count=count)
    return find_clips(tmp_path, "train")


def assert_batches_equal(x, y):
    for name in ("frames", "windows", "times", "lengths"):
        assert_array_equal(getattr(x, name), getattr(y, name), err_msg=name)
    assert x.names == y.names


def test_every_index_is_right(features):
    dataset = PairDataset(features, offsets=OFFSETS, frames=6, pairs=5)
    dataset.check()
    for step in range(20):
        batch = dataset.batch(step)
        assert batch.windows.shape == (2, 5, 6, 3)
        assert batch.times.shape == (2, 5, 6)
        assert batch.lengths.shape == (2, 5)
        assert {array.dtype.name for array in (batch.windows, batch.times, batch.lengths)} == {
            "int64"
        }
        assert_array_equal(np.unique(batch.windows), np.arange(len(batch.frames)))
        rows = batch.frames[batch.windows]  # (2, 5, 6, 3, 3): each says activity, clip, frame
        for pair, names in enumerate(batch.names):
            assert names[0] != names[1]
            assert Path(names[0]).parent == Path(names[1]).parent
            for side, name in enumerate(names):
                path = Path(name)
                times, length = batch.times[side, pair], batch.lengths[side, pair]
                assert length == dataset.lengths[path]
                assert (np.diff(times) >= 0).all()
                assert (rows[side, pair, ..., 0] == int(path.parent.name[-1])).all()
                assert (rows[side, pair, ..., 1] == int(path.stem)).all()
                wanted = np.clip(times[:, None] + np.array(OFFSETS), 0, length - 1)
                assert_array_equal(rows[side, pair, ..., 2], wanted)


def test_each_distinct_frame_once_a_clip(features):
    dataset = PairDataset(features, offsets=(-1, 0, 1), frames=40, pairs=1)
    batch = dataset.batch(0)
    for side in range(2):
        used = batch.frames[np.unique(batch.windows[side])]
        assert len(np.unique(used, axis=0)) == len(used)


def test_the_same_for_the_same_seed_and_step(features):
    first = PairDataset(features, offsets=OFFSETS, seed=3)
    again = PairDataset(features, offsets=OFFSETS, seed=3, cache_bytes=0)
    other = PairDataset(features, offsets=OFFSETS, seed=4)
    forward = [first.batch(step) for step in range(4)]
    for step in (3, 1, 0, 2):
        assert_batches_equal(again.batch(step), forward[step])
    assert len({str(batch.times) for batch in forward}) == 4
    assert str(other.batch(0).times) != str(forward[0].times)


def test_pairs_are_drawn_as_documented(features):
    dataset = PairDataset(features, offsets=(0,), frames=1, pairs=50)
    drawn = [names for step in range(100) for names in dataset.batch(step).names]
    # The first uniformly over five clips: 1000 of 5000 expected, standard deviation 28.
    firsts = np.unique([first for first, _ in drawn], return_counts=True)[1]
    assert len(firsts) == 5
    assert np.abs(firsts - 1000).max() < 5 * 28
    # The second uniformly over the others: of the ordered pairs in the larger activity, 500 each.
    pairs, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(pairs) == 6 + 2
    large = counts[["activity_0" in first for first, _ in pairs]]
    assert np.abs(large - 500).max() < 5 * 22


def test_pictures(videos, number_of):
    dataset = PairDataset(videos, offsets=OFFSETS, frames=8, pairs=2, size=32, augment=False)
    batch = dataset.batch(0)
    assert batch.frames.dtype == np.uint8
    assert batch.frames.shape[1:] == (32, 32, 3)
    for window, times, length in zip(
        batch.windows.reshape(-1, 3), batch.times.ravel(), batch.lengths.repeat(8), strict=True
    ):
        seen = [number_of(batch.frames[index]) for index in window]
        assert seen == [min(max(times + offset, 0), length - 1) for offset in OFFSETS]


def test_augmentation_is_the_same_for_a_whole_clip(videos):
    plain = PairDataset(videos, offsets=(0,), frames=8, pairs=1, size=32, augment=False)
    dataset = PairDataset(videos, offsets=(0,), frames=8, pairs=1, size=32, augment=True)
    changed = mirrored = 0
    for step in range(10):
        batch, again = dataset.batch(step), dataset.batch(step)
        assert_batches_equal(batch, again)
        assert batch.frames.flags.c_contiguous
        for side in range(2):
            frames = batch.frames[batch.windows[side, 0, :, 0]]
            # The red corner tells the side; it is the same one in all frames of the clip.
            redness = frames[..., 0].astype(int) - frames[..., 1]
            right = redness[:, :4, -6:].mean((1, 2)) > redness[:, :4, :6].mean((1, 2))
            assert right.all() or not right.any()
            mirrored += right.all()
        changed += (
            len(batch.frames) != len(plain.batch(step).frames)
            or (batch.frames != plain.batch(step).frames).any()
        )
    assert changed == 10
    assert 3 <= mirrored <= 17  # of 20 fair draws; outside in 0.04 % of seeds


def test_views_are_drawn_each_for_itself(features):
    """Rows say which frame they are: the times are right, and the context is of another speed."""
    options = {"offsets": (-6, 0, 4), "frames": 8, "pairs": 4, "seed": 3, "views": 2}
    plain = PairDataset(features, augment=False, **options)
    stretched = PairDataset(features, **options)
    reach, alike = set(), 0
    for step in range(10):
        for dataset in (plain, stretched):
            batch = dataset.batch(step)
            assert batch.times.shape == (2, 8, 8)
            assert len(batch.names) == 4
            assert_array_equal(batch.lengths[:, :4], batch.lengths[:, 4:])
            assert (batch.times[:, :4] != batch.times[:, 4:]).any()
            activity, clip, frame = np.moveaxis(batch.frames[batch.windows], -1, 0)
            for number in (activity, clip):
                assert_array_equal(number[:, :4], number[:, 4:])
                assert (number == number[:, :, :1, :1]).all()
            assert_array_equal(frame[..., 1], batch.times)
            steps = frame - batch.times[..., None]
            ends = (batch.lengths - 1)[..., None]
            if dataset is plain:
                assert_array_equal(frame[..., 0], np.maximum(batch.times - 6, 0))
                assert_array_equal(frame[..., 2], np.minimum(batch.times + 4, ends))
            else:
                alike += np.array_equal(steps[:, :4], steps[:, 4:])
                reach |= set(steps[..., 0][frame[..., 0] > 0].astype(int))
                reach |= set(steps[..., 2][frame[..., 2] < ends].astype(int))
    assert alike == 0
    assert reach == {*range(-13, -2), *range(2, 10)}  # 4/9 to 9/4, rounded


def test_views_have_looks_of_their_own(videos):
    options = {"offsets": (0,), "frames": 8, "pairs": 2, "size": 32, "seed": 3}
    batch = PairDataset(videos, views=2, **options).batch(4)
    first, second = batch.frames[batch.windows[:, :2]], batch.frames[batch.windows[:, 2:]]
    difference = np.abs(first.astype(int) - second).mean(axis=(2, 3, 4, 5, 6))
    assert (difference > 5).all()


def test_stretch_offsets():
    offsets = np.array([-12, -1, 0, 12])
    before = offsets.copy()
    drawn = np.concatenate(
        [stretch_offsets(offsets, 50, np.random.default_rng(seed)) for seed in range(40)]
    )
    assert_array_equal(offsets, before)
    assert drawn.shape == (2000, 4)
    assert drawn.dtype == np.int64
    assert set(drawn[:, 0]) == set(range(-27, -4))
    assert set(drawn[:, 3]) == set(range(5, 28))
    assert set(drawn[:, 1]) == {0, -1, -2}
    assert not drawn[:, 2].any()
    # Faster as often as slower, and before and after each for itself.
    assert np.mean(drawn[:, 3] > 12) == pytest.approx(np.mean(drawn[:, 3] < 12), abs=0.06)
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 3])[0, 1]) < 0.1


def test_change_view():
    rng = np.random.default_rng(0)
    frames = np.zeros((3, 40, 60, 3), np.uint8)
    frames[:, 15:25, 25:35] = (250, 100, 10)
    before = frames.copy()
    for seed in range(20):
        changed = change_view(frames, np.random.default_rng(seed))
        assert_array_equal(frames, before)
        assert (changed.shape, changed.dtype) == (frames.shape, np.uint8)
        assert (changed == changed[0]).all()  # all frames alike
        inverted = changed[0, 0, 0, 0] == 255
        picture = 255 - changed[0] if inverted else changed[0]
        rows, columns = np.nonzero(picture.sum(2) > 180)
        assert abs(rows.mean() - 19.5) < 4
        assert abs(columns.mean() - 29.5) < 5
        assert 70 < len(rows) < 140
        assert sorted(picture[round(rows.mean()), round(columns.mean())]) == [10, 100, 250]
    noise = rng.integers(0, 256, (1, 8, 8, 3), np.uint8)
    assert not np.array_equal(change_view(noise, rng), change_view(noise, rng))


def test_augment_pictures_keeps_its_input():
    frames = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    before = frames.copy()
    for seed in range(5):
        changed = augment_pictures(frames, np.random.default_rng(seed))
        assert changed.shape == frames.shape
        assert changed.dtype == np.uint8
        # One map of levels for all pixels, never turning dark into bright.
        upright = min(
            (changed, changed[:, :, ::-1]), key=lambda x: np.abs(x.astype(int) - frames).sum()
        )
        order = np.argsort(frames, axis=None, kind="stable")
        assert (np.diff(upright.ravel()[order].astype(int)) >= 0).all()
    assert_array_equal(frames, before)


def test_check_finds_lengths_and_short_clips(features):
    dataset = PairDataset(features, offsets=OFFSETS, frames=20)
    assert dataset.short_clips == []
    dataset.check(progress=True)
    assert list(dataset.lengths.values()) == [30, 41, 52, 4, 25]
    (short,) = dataset.short_clips
    assert short.parts[-2:] == ("activity_1", "0.npy")
    assert any(4 in dataset.batch(step).lengths for step in range(20))  # sampled with repeats


def test_check_names_a_damaged_clip(videos):
    path = videos[""][1].path
    path.write_bytes(path.read_bytes()[:900])
    dataset = PairDataset(videos, offsets=(0,), size=32)
    with pytest.raises(ValueError, match=r"b\.mp4: not a video, or cut off"):
        dataset.check()


def test_check_compares_numbers_of_features(features):
    np.save(features["activity_1"][0].path, np.zeros((9, 5)))
    with pytest.raises(ValueError, match=r"0\.npy: has 5 features a frame, but 0\.npy has 3"):
        PairDataset(features, offsets=(0,)).check()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "frames must be >= 1, got 0"),
        ({"pairs": -1}, "pairs must be >= 1, got -1"),
        ({"seed": -1}, "seed must be >= 0, got -1"),
        ({"size": None}, "size must be given for clips of pictures"),
        ({"clips": {}}, "clips must not be empty"),
        ({"clips": {"pour": [Clip(Path("a.npy"), "pour", "features")]}},
         r"clips\['pour'\] must hold at least two, got 1"),
    ],
)  # fmt: skip
def test_pair_dataset_refuses(options, message):
    clips = {"": [Clip(Path(name), "", "video") for name in ("a.mp4", "b.mp4")]}
    with pytest.raises(ValueError, match=message):
        PairDataset(**{"clips": clips, "offsets": (0,), "size": 32} | options)


def test_batch_refuses_a_negative_step(features):
    with pytest.raises(ValueError, match="step must be >= 0, got -1"):
        PairDataset(features, offsets=(0,)).batch(-1)


def test_noise_has_the_deviations_that_are_asked_for(features):
    deviations = np.array([0, 0.5, 3], np.float32)
    plain = PairDataset(features, offsets=OFFSETS, frames=40, pairs=40)
    noisy = PairDataset(features, offsets=OFFSETS, frames=40, pairs=40)
    noisy.use_noise(deviations)
    # The first clip is drawn before any noise, so its frames are the same in both.
    x, y = plain.batch(0), noisy.batch(0)
    first = x.windows[0, 0].max() + 1
    np.testing.assert_array_equal(x.windows[0, 0], y.windows[0, 0])
    assert y.frames.dtype == np.float32
    np.testing.assert_array_equal(x.frames[:first, 0], y.frames[:first, 0])
    noises = []
    for step in range(40):
        x, y = plain.batch(step), noisy.batch(step)
        first = x.windows[0, 0].max() + 1
        noises.append(y.frames[:first] - x.frames[:first])
    noise = np.concatenate(noises).astype(np.float64)
    assert abs(noise.mean(0)).max() < 0.3
    np.testing.assert_allclose(noise.std(0), deviations, rtol=0.1)
    assert abs(np.corrcoef(noise[:, 1:].T)[0, 1]) < 0.1
    assert abs(np.corrcoef(noise[:-1, 1], noise[1:, 1])[0, 1]) < 0.1
    again = PairDataset(features, offsets=OFFSETS, frames=40, pairs=40)
    again.use_noise(deviations)
    assert_batches_equal(again.batch(3), noisy.batch(3))
    again.use_noise(0 * deviations)
    assert_batches_equal(again.batch(3), plain.batch(3))
