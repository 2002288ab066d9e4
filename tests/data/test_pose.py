"""Features from the joints of a body."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tacref.data import find_clips, load_clip, pose_features
from tacref.data.pose import POSE_LAYOUTS

# Layout, number of joints, one shoulder and one hip of each side, as the estimators document them.
LAYOUTS = [("coco", 17, (5, 6), (11, 12)), ("mediapipe", 33, (11, 12), (23, 24)),
           ("penn", 13, (1, 2), (7, 8))]  # fmt: skip
# Positions are divided by a length in float64 and rounded to float32.
ROUNDING = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def body(rng, frames=12, joints=17, coordinates=2):
    """Return joints in pixels, each on its own smooth path."""
    steps = rng.normal(size=(frames, joints, coordinates)).cumsum(axis=0)
    return 300 + 100 * rng.normal(size=(1, joints, coordinates)) + 3 * steps


@pytest.mark.parametrize(("layout", "count", "shoulders", "hips"), LAYOUTS)
def test_hips_are_the_center_and_the_torso_is_one(rng, layout, count, shoulders, hips):
    features = pose_features(body(rng, joints=count), layout=layout)
    assert features.dtype == np.float32
    assert features.shape == (12, 2 * count)
    joints = features.reshape(12, count, 2)
    assert_allclose(joints[:, hips].mean(axis=1), 0, atol=1e-6)
    torso = np.linalg.norm(joints[:, shoulders].mean(axis=1), axis=1)
    assert_allclose(np.median(torso), 1, **ROUNDING)
    assert set(POSE_LAYOUTS) == {name for name, *_ in LAYOUTS}


def test_by_hand():
    """Two frames; hips at (10, 20) and (14, 20), shoulders 4 above, the nose 6 above."""
    joints = np.full((2, 17, 2), np.nan)
    joints[:, 11], joints[:, 12] = [[9, 20], [13, 20]], [[11, 20], [15, 20]]
    joints[:, 5], joints[:, 6] = [[9, 16], [13, 16]], [[11, 16], [15, 16]]
    joints[:, 0] = [[10, 14], [14, 14]]
    features = pose_features(joints, layout="coco", append_path=True, append_seen=True)
    assert features.shape == (2, 34 + 2 + 17)
    for row in features:
        assert_allclose(row[:2], [0, -1.5])
        assert_allclose(row[10:14], [-0.25, -1, 0.25, -1])
        assert_allclose(row[22:26], [-0.25, 0, 0.25, 0])
        assert_array_equal(np.flatnonzero(row[36:]), [0, 5, 6, 11, 12])
    assert_allclose(features[:, 34:36], [[-0.5, 0], [0.5, 0]])
    assert_array_equal(np.delete(features[:, :34], [0, 1, *range(10, 14), *range(22, 26)], 1), 0)


@pytest.mark.parametrize("center", ["hips", "shoulders", "joints"])
@pytest.mark.parametrize("scale", ["torso", "body"])
@pytest.mark.parametrize("missing", ["interpolate", "hold"])
def test_place_and_size_do_not_matter(rng, center, scale, missing):
    joints = body(rng, joints=33, coordinates=3)
    joints[rng.random((12, 33)) < 0.3] = np.nan
    options = {"layout": "mediapipe", "center": center, "scale": scale, "missing": missing}
    features = pose_features(joints, append_path=True, append_seen=True, **options)
    moved = 7.5 * joints + [1000, -40, 3]
    again = pose_features(moved, append_path=True, append_seen=True, **options)
    assert_allclose(again, features, **ROUNDING)


def test_a_path_in_every_frame_changes_nothing_but_the_path(rng):
    joints = body(rng)
    joints[3:6, 9] = np.nan
    joints[8:, 10] = np.nan
    walk = np.linspace(0, 500, 12)[:, None, None] * [1, 0.2]
    still = pose_features(joints, layout="coco")
    assert_allclose(pose_features(joints + walk, layout="coco"), still, **ROUNDING)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [("interpolate", [1, 1, 1, 2, 3, 4, 4]), ("hold", [1, 1, 1, 1, 1, 4, 4])],
)
@pytest.mark.parametrize("how", ["nan", "one nan", "zero", "low", "nan confidence", "bool"])
def test_gaps(rng, missing, expected, how):
    joints = np.repeat(body(rng, frames=1), 7, axis=0)
    joints[:, 11:13] = 0
    joints[:, 9] = [[0, 0], [0, 0], [1, 2], [0, 0], [0, 0], [4, 8], [0, 0]]
    gone = [0, 1, 3, 4, 6]
    confidence = np.full((7, 17), 0.6)
    if how == "nan":
        joints[gone, 9] = np.nan
    elif how == "one nan":
        joints[gone, 9, 1] = np.nan
    else:
        confidence[gone, 9] = {"zero": 0, "low": 0.4, "nan confidence": np.nan, "bool": 0}[how]
    if how == "bool":
        confidence = confidence > 0
    before = joints.copy()
    features = pose_features(joints, confidence, layout="coco", scale=1.0, missing=missing)
    assert_allclose(features[:, 18:20], np.outer(expected, [1, 2]), **ROUNDING)
    assert_array_equal(joints, before)
    seen = pose_features(joints, confidence, layout="coco", append_seen=True)[:, 34:]
    assert_array_equal(np.flatnonzero(seen[:, 9]), [2, 5])
    assert np.delete(seen, 9, axis=1).all()


def test_confidence_0_is_not_seen_whatever_the_least(rng):
    joints, confidence = body(rng), np.zeros((12, 17))
    confidence[:, 1:] = 0.01
    for least in (0, 0.01):
        options = {"layout": "coco", "min_confidence": least, "append_seen": True}
        seen = pose_features(joints, confidence, **options)[:, 34:]
        assert_array_equal(seen, np.repeat([[0.0] + [1.0] * 16], 12, axis=0))


def test_joints_that_are_never_seen(rng):
    """From the side: the far hip and shoulder, an ear and a wrist."""
    joints = body(rng)
    joints[:, [4, 6, 10, 12]] = np.nan
    positions = pose_features(joints, layout="coco").reshape(12, 17, 2)
    assert_array_equal(positions[:, [4, 6, 10, 12]], 0)
    assert_allclose(positions[:, 11], 0, atol=1e-6)
    assert_allclose(np.median(np.linalg.norm(positions[:, 5], axis=1)), 1, **ROUNDING)


def test_the_torso_is_robust(rng):
    joints = body(rng)
    joints[[2, 5], 5] = 1e5
    torso = np.linalg.norm((joints[:, 5:7] - joints[:, 11:13]).mean(axis=1), axis=1)
    expected = pose_features(joints, layout="coco", scale=float(np.median(torso)))
    assert_allclose(pose_features(joints, layout="coco"), expected, **ROUNDING)


def test_the_path_is_relative_to_its_median(rng):
    joints = body(rng)
    joints[10:] += 1000
    path = joints[:, 11:13].mean(axis=1)
    features = pose_features(joints, layout="coco", scale=2.0, append_path=True)
    assert_allclose(features[:, 34:], (path - np.median(path, axis=0)) / 2, rtol=1e-5, atol=1e-4)


def test_the_torso_is_measured_where_it_is_seen():
    joints = np.full((9, 17, 2), np.nan)
    joints[:, 0] = 0
    joints[:, 11] = 0
    joints[:2, 5] = [[0, 2], [0, 4]]
    assert_allclose(pose_features(joints, layout="coco")[:2, 10:12], [[0, 2 / 3], [0, 4 / 3]])
    joints[0, 6] = [0, 2]  # in the other frame, one shoulder is enough
    assert_allclose(pose_features(joints, layout="coco")[:2, 12:14], [[0, 0.8], [0, 0.8]])
    joints[0, 6] = np.nan
    joints[:, 11], joints[8, 11] = np.nan, 0  # never in the same frame: over all frames
    assert_allclose(pose_features(joints, layout="coco")[8, 10:12], [0, 1])


def test_upper_bodies(rng):
    joints = body(rng)
    joints[:, 11:] = np.nan
    features = pose_features(joints, layout="coco", center="shoulders", scale="body")
    positions = features.reshape(12, 17, 2)
    assert_allclose(positions[:, 5:7].mean(axis=1), 0, atol=1e-6)
    lengths = np.sqrt((positions[:, :11] ** 2).sum(axis=2).mean(axis=1))
    assert_allclose(np.median(lengths), 1, **ROUNDING)


def test_one_frame_and_other_numbers(rng):
    joints = body(rng, frames=1)
    assert pose_features(joints.tolist(), layout="coco").shape == (1, 34)
    joints = joints.astype(int)
    expected = pose_features(joints.astype(float), layout="coco")
    assert_array_equal(pose_features(joints, layout="coco"), expected)


NOTHING = np.full((4, 17, 2), np.nan)
POINTS = np.arange(4 * 17 * 2.0).reshape(4, 17, 2)


def changed(index, value):
    joints = POINTS.copy()
    joints[:, index] = value
    return joints


@pytest.mark.parametrize(
    ("joints", "options", "message"),
    [
        (NOTHING, {}, "joints: none of 17 is seen in any of 4 frames"),
        (POINTS, {"confidence": np.zeros((4, 17))}, "none of 17 is seen in any of 4 frames"),
        (changed([11, 12], np.nan), {},
         "none of the hips is seen in any frame; center='shoulders' needs none"),
        (changed([5, 6, 11, 12], np.nan), {}, "hips is seen in any frame; center='joints'"),
        (changed([5, 6], np.nan), {"center": "shoulders"}, "the shoulders .* center='joints'"),
        (changed([5, 6], np.nan), {},
         "none of the shoulders is seen in any frame; scale='body' needs none, or give a length"),
        (changed([11, 12], np.nan), {"center": "joints"}, "none of the hips .* scale='body'"),
        (POINTS * 0, {}, "scale: the length of 'torso' is 0; give a length"),
        (changed(3, np.inf), {}, "must be finite or NaN, got inf at frame 0, joint 3"),
        (changed(3, -np.inf), {}, "got -inf at frame 0, joint 3"),
        (POINTS * 1e300, {"scale": 1.0}, "joints are too large for float32 in units of scale = 1"),
        (POINTS, {"layout": "penn"},
         r"must have shape \(T, 13, 2\) for layout 'penn', got \(4, 17, 2\)$"),
        (POINTS, {"layout": "mediapipe"}, r"\(T, 33, 2 or 3\) for layout 'mediapipe', got"),
        (np.ones((4, 17, 3)), {}, r"got \(4, 17, 3\); if the third number is a confidence, pass"),
        (POINTS[0], {}, r"got \(17, 2\)"),
        (POINTS[:0], {}, r"got \(0, 17, 2\)"),
        (POINTS.astype(str), {}, r"must be numbers of shape \(T, 17, 2\), got <U"),
        (np.ma.masked_equal(POINTS, 3), {}, "joints must not have masked entries"),
        ([[1], [1, 2]], {}, "joints cannot be read as an array"),
        (POINTS, {"layout": "openpose"}, "layout must be one of coco, mediapipe, penn, got 'op"),
        (POINTS, {"layout": None}, "layout must be one of coco, mediapipe, penn, got None"),
        (POINTS, {"center": "head"}, "center must be one of hips, shoulders, joints, got 'head'"),
        (POINTS, {"missing": "drop"}, "missing must be one of interpolate, hold, got 'drop'"),
        (POINTS, {"scale": "box"}, "scale must be one of torso, body or a length, got 'box'"),
        (POINTS, {"scale": 0}, "scale must be finite and > 0, got 0"),
        (POINTS, {"min_confidence": -1}, "min_confidence must be finite and >= 0, got -1"),
        (POINTS, {"confidence": np.ones((4, 17, 1))},
         r"confidence must have shape \(4, 17\), .* got \(4, 17, 1\)"),
        (POINTS, {"confidence": np.ones(17)}, r"confidence must have shape \(4, 17\), .* \(17,\)"),
        (POINTS, {"confidence": np.full((4, 17), -0.5)}, "or NaN, got -0.5 at frame 0, joint 0"),
        (POINTS, {"confidence": np.full((4, 17), np.inf)}, "confidence must be finite .* got inf"),
        (POINTS, {"confidence": np.full((4, 17), "1")}, "confidence must be numbers or bool, got"),
    ],
)  # fmt: skip
def test_what_is_refused(joints, options, message):
    with pytest.raises(ValueError, match=message):
        pose_features(joints, **{"layout": "coco", **options})


def test_they_are_a_clip(tmp_path, rng):
    (tmp_path / "train").mkdir()
    features = pose_features(body(rng), layout="coco")
    np.save(tmp_path / "train" / "a.npy", features)
    np.save(tmp_path / "train" / "b.npy", features)
    ((first, _),) = find_clips(tmp_path, "train").values()
    assert_array_equal(load_clip(first.path).frames, features)
