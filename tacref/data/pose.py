"""Rows of features from the joints of a body, as a pose estimator finds them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tacref.checks import check_not_negative, check_positive, in_one_line, read_array


class PoseLayout(NamedTuple):
    """The order of an estimator's joints: how many, whether they may have depth, who is where."""

    joints: int
    depth: bool
    shoulders: tuple[int, int]
    hips: tuple[int, int]


POSE_LAYOUTS = {
    "coco": PoseLayout(17, depth=False, shoulders=(5, 6), hips=(11, 12)),
    "mediapipe": PoseLayout(33, depth=True, shoulders=(11, 12), hips=(23, 24)),
    "penn": PoseLayout(13, depth=False, shoulders=(1, 2), hips=(7, 8)),
}
_CENTERS = ("hips", "shoulders", "joints")
_SCALES = ("torso", "body")
_MISSING = ("interpolate", "hold")


def pose_features(
    joints: ArrayLike,
    confidence: ArrayLike | None = None,
    *,
    layout: str,
    center: str = "hips",
    scale: str | float = "torso",
    missing: str = "interpolate",
    min_confidence: float = 0.5,
    append_path: bool = False,
    append_seen: bool = False,
) -> np.ndarray:
    """Turn one body's joints in a clip into features that do not depend on its place and size.

    A joint is seen in a frame if none of its coordinates is NaN and its confidence, if there is
    one, is > 0 and at least `min_confidence`. The center is the mean of the joints that `center`
    names, of those that are seen in some frame; it is subtracted in every frame. Joints are filled
    in where they are not seen, relative to the center, so that they move along with the body. Then
    everything is divided by one length for the whole clip.

    Parameters
    ----------
    joints : array of numbers, shape (T, J, 2) or (T, J, 3)
        Positions, in any unit that is the same for all coordinates: pixels, for instance, but not
        fractions of width and height. NaN where a joint, or the whole body, was not found. Not
        modified.
    confidence : array of numbers or bool, shape (T, J), optional
        How sure each joint is, >= 0: a score, a visibility, or whether it was found. NaN means
        that it was not. By default every position without NaN is trusted.
    layout : str
        The order of the joints: "coco" (J = 17; also Ultralytics), "mediapipe" (J = 33) or "penn"
        (J = 13, Penn Action). Only "mediapipe" may have a third coordinate, the depth.
    center : str
        "hips", "shoulders" (for clips that show no hip) or "joints", all of them.
    scale : str or float
        What becomes 1. "torso": the distance between the middles of shoulders and hips, its median
        over the frames in which one of each is seen (over all frames if there is none). "body":
        the joints' root mean square distance from the center, its median over all frames. Or a
        length, > 0, in the unit of `joints`.
    missing : str
        What fills a gap. "interpolate": a straight line over the frames, which are taken as evenly
        spaced. "hold": the position from before the gap. Before a joint is first seen and after it
        is last seen, both hold that position. A joint that is never seen is at the center.
    min_confidence : float
        Least confidence of a joint that is seen, >= 0. Unused without `confidence`.
    append_path : bool
        Whether to append the center's path, relative to its median over the clip, in the same
        length. Without it, where the body moves as a whole is lost, as in a jump.
    append_seen : bool
        Whether to append a column for each joint, 1 where it is seen and 0 where it was filled in.

    Returns
    -------
    ndarray of float32, shape (T, F)
        Per frame: x, y (and z) of joint 0, then of joint 1, and so on; the center's path; the
        joints' columns of 1 and 0. F is J D, plus D and J if they are appended, for D coordinates.

    Raises
    ------
    ValueError
        If an argument is none of these, shapes do not fit, numbers are infinite, a confidence is
        negative, or no joint is seen in any frame; if none of those that `center` or `scale` needs
        is; if the length is 0, or so small that features would be infinite.
    """
    chosen = _check_layout(layout)
    _check_choice(center, "center", _CENTERS)
    _check_choice(missing, "missing", _MISSING)
    if isinstance(scale, str):
        _check_choice(scale, "scale", _SCALES)
    else:
        scale = check_positive(scale, "scale")
    min_confidence = check_not_negative(min_confidence, "min_confidence")
    positions = _check_joints(joints, layout, chosen)
    seen = ~np.isnan(positions).any(axis=2)
    if confidence is not None:
        sure = _check_confidence(confidence, seen.shape)
        seen &= (sure > 0) & (sure >= min_confidence)  # False for NaN
    _check_any_seen(seen, chosen, center, scale)

    groups = {"hips": chosen.hips, "shoulders": chosen.shoulders, "joints": range(chosen.joints)}
    centered = list(groups[center])
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        found = [joint for joint in centered if seen[:, joint].any()]
        path = _fill(positions[:, found], seen[:, found], missing).mean(axis=1)  # (T, D)
        relative = _fill(positions - path[:, None], seen, missing)  # (T, J, D)
        unit = scale if not isinstance(scale, str) else _length(relative, seen, chosen, scale)
        if unit == 0:
            raise ValueError(f"scale: the length of {scale!r} is 0; give a length")
        columns = [relative.reshape(len(seen), -1) / unit]
        if append_path:
            columns.append((path - np.median(path, axis=0)) / unit)
        if append_seen:
            columns.append(seen)
        features = np.concatenate(columns, axis=1).astype(np.float32)
    if not np.isfinite(features).all():
        raise ValueError(f"joints are too large for float32 in units of scale = {unit:g}")
    return features


def _fill(positions: np.ndarray, seen: np.ndarray, missing: str) -> np.ndarray:
    """Return positions `(T, J, D)` in all frames; zero for joints that are never seen."""
    frames = np.arange(len(positions))
    filled = np.zeros_like(positions)
    for joint in range(positions.shape[1]):
        known = np.flatnonzero(seen[:, joint])
        if not known.size:
            continue
        if missing == "hold":
            last = np.searchsorted(known, frames, side="right") - 1
            filled[:, joint] = positions[known[np.maximum(last, 0)], joint]
        else:
            for axis in range(positions.shape[2]):
                numbers = positions[known, joint, axis]
                filled[:, joint, axis] = np.interp(frames, known, numbers)
    return filled


def _length(relative: np.ndarray, seen: np.ndarray, layout: PoseLayout, scale: str) -> float:
    """Return the length "torso" or "body" of filled joints, its median over frames."""
    if scale == "body":
        squares = (relative[:, seen.any(axis=0)] ** 2).sum(axis=2)
        return float(np.median(np.sqrt(squares.mean(axis=1))))
    middles, measured = [], np.ones(len(seen), bool)
    for pair in (layout.shoulders, layout.hips):
        found = [joint for joint in pair if seen[:, joint].any()]
        middles.append(relative[:, found].mean(axis=1))
        measured &= seen[:, found].any(axis=1)
    lengths = np.linalg.norm(middles[0] - middles[1], axis=1)
    return float(np.median(lengths[measured] if measured.any() else lengths))


def _check_any_seen(seen: np.ndarray, layout: PoseLayout, center: str, scale: str | float) -> None:
    if not seen.any():
        raise ValueError(f"joints: none of {layout.joints} is seen in any of {len(seen)} frames")
    hips, shoulders = seen[:, layout.hips].any(), seen[:, layout.shoulders].any()
    if (center == "hips" and not hips) or (center == "shoulders" and not shoulders):
        other = "shoulders" if center == "hips" and shoulders else "joints"
        raise ValueError(
            f"joints: none of the {center} is seen in any frame; center={other!r} needs none"
        )
    if scale == "torso" and not (hips and shoulders):
        unseen = "shoulders" if hips else "hips"
        raise ValueError(
            f"joints: none of the {unseen} is seen in any frame; scale='body' needs none, or give "
            "a length"
        )


def _check_layout(layout: str) -> PoseLayout:
    _check_choice(layout, "layout", tuple(POSE_LAYOUTS))
    return POSE_LAYOUTS[layout]


def _check_choice(value: str, name: str, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        length = " or a length" if name == "scale" else ""
        raise ValueError(
            f"{name} must be one of {', '.join(choices)}{length}, got {in_one_line(value)}"
        )


def _check_joints(joints: ArrayLike, name: str, layout: PoseLayout) -> np.ndarray:
    """Return joints as float64 `(T, J, D)`."""
    array = read_array(joints, "joints")
    widths = (2, 3) if layout.depth else (2,)
    wanted = f"(T, {layout.joints}, {' or '.join(map(str, widths))})"
    if array.dtype.kind not in "fiu":
        raise ValueError(f"joints must be numbers of shape {wanted}, got {array.dtype}")
    fits = array.ndim == 3 and len(array) > 0 and array.shape[1] == layout.joints
    if not fits or array.shape[2] not in widths:
        hint = ""
        if fits and array.shape[2] == 3:
            hint = "; if the third number is a confidence, pass it as confidence"
        raise ValueError(
            f"joints must have shape {wanted} for layout {name!r}, got {array.shape}{hint}"
        )
    if np.isinf(array).any():
        frame, joint, axis = np.argwhere(np.isinf(array))[0]
        raise ValueError(
            f"joints must be finite or NaN, got {array[frame, joint, axis]} at frame {frame}, "
            f"joint {joint}"
        )
    return array.astype(np.float64)


def _check_confidence(confidence: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return confidences as float64 `(T, J)`."""
    array = read_array(confidence, "confidence")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"confidence must be numbers or bool, got {array.dtype}")
    if array.shape != shape:
        raise ValueError(
            f"confidence must have shape {shape}, one number for each joint of joints, got "
            f"{array.shape}"
        )
    bad = (array < 0) | np.isinf(array)
    if bad.any():
        frame, joint = np.argwhere(bad)[0]
        raise ValueError(
            f"confidence must be finite and >= 0, or NaN, got {array[frame, joint]} at frame "
            f"{frame}, joint {joint}"
        )
    return array.astype(np.float64)
