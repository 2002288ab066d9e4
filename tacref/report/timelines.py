"""Timelines of the report as SVG: phases of a video, and curves over the reference's time."""

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tacref.alignment.labels import intervals
from tacref.colors import PHASES

MAX_CURVE_POINTS = 600
# Speeds are shown from a quarter to four times the reference's, in equal steps of their logarithm;
# to 8 times if any needs it, to 32 times if more than a twentieth of them do.
SPEED_OCTAVES, OCTAVES_FOR_ANY, MAX_SPEED_OCTAVES, SHARE_ON_SCALE = 2, 3, 5, 0.95
PHASE_COLORS = len(PHASES)  # in report.css


def phase_bar(labels: Sequence[str | None], ends: np.ndarray, colors: dict[str, int]) -> str:
    """Return the phases of a video as an SVG over its own time.

    Parameters
    ----------
    labels : sequence of str or None
        Phase of each frame, None for a frame without one, which leaves a gap. Any text; escaped.
    ends : ndarray of float64, shape (n + 1,)
        Time of each frame, and the end of the last one.
    colors : dict of str to int
        Number of each phase's color; new phases are added.
    """
    parts = [_gap(start, end, ends) for start, end in _gaps(labels)]
    for start, end, phase in intervals(labels):
        color = colors.setdefault(phase, len(colors) % PHASE_COLORS)
        left, right = 100 * ends[start] / ends[-1], 100 * ends[end] / ends[-1]
        name = escaped(phase)
        parts.append(
            f'<svg x="{left:.3f}%" width="{right - left:.3f}%" height="100%">'
            f"<title>{name}: {ends[start]:.2f} to {ends[end]:.2f} s</title>"
            f'<rect width="100%" height="100%" class="phase c{color}"/>'
            f'<text x="6" y="50%">{name}</text></svg>'
        )
    return f'<svg class="phases">{"".join(parts)}</svg>'


def _gaps(labels: Sequence[str | None]) -> list[tuple[int, int]]:
    """Return the runs of frames without a phase, ends exclusive."""
    edges = [0, *(edge for run in intervals(labels) for edge in run[:2]), len(labels)]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def _gap(start: int, end: int, ends: np.ndarray) -> str:
    left, right = 100 * ends[start] / ends[-1], 100 * ends[end] / ends[-1]
    return (
        f'<svg x="{left:.3f}%" width="{right - left:.3f}%" height="100%">'
        f"<title>no phase: {ends[start]:.2f} to {ends[end]:.2f} s</title>"
        '<rect width="100%" height="100%" class="gap"/></svg>'
    )


def speed_octaves(speeds: np.ndarray) -> int:
    """Return the octaves on either side of 1 that a scale needs to hold nearly all speeds."""
    finite = speeds[np.isfinite(speeds) & (speeds > 0)]
    if not len(finite):
        return SPEED_OCTAVES
    sizes = np.abs(np.log2(finite))
    most, largest = (math.ceil(q - 1e-9) for q in (np.quantile(sizes, SHARE_ON_SCALE), sizes.max()))
    return min(max(SPEED_OCTAVES, most, min(largest, OCTAVES_FOR_ANY)), MAX_SPEED_OCTAVES)


def speed_marks(octaves: int) -> tuple[str, str]:
    """Return the highest and the lowest speed of a scale, as HTML text."""
    lowest = {2: "¼", 3: "⅛"}.get(octaves, f"1/{2**octaves}")
    return f"{2**octaves}&times;", f"{lowest}&times;"


def speed_curve(
    times: np.ndarray, speeds: np.ndarray, octaves: int = SPEED_OCTAVES
) -> list[list[tuple[float, float]]]:
    """Return a curve of speeds over time as lines of points, x and y in [0, 1], y downward.

    It is broken where there is no finite speed, and where one is off the scale.
    """
    with np.errstate(divide="ignore"):
        heights = np.log2(speeds)
    heights[~(np.abs(heights) <= octaves + 1e-9)] = np.nan
    positions, values = _thinned(times, heights, np.mean)
    lines: list[list[tuple[float, float]]] = [[]]
    for x, value in zip(positions.tolist(), (0.5 - values / (2 * octaves)).tolist(), strict=True):
        if math.isfinite(value):
            lines[-1].append((x, value))
        elif lines[-1]:
            lines.append([])
    return [line for line in lines if line]


def point_list(line: Sequence[tuple[float, float]]) -> str:
    """Return the points of a line as an SVG has them."""
    return " ".join(f"{x:.4f},{y:.3f}" for x, y in line)


def cost_curve(times: np.ndarray, costs: np.ndarray, max_cost: float) -> str:
    """Return points "x,y" of the area under a curve of costs over time, x and y in [0, 1]."""
    # The largest of each group: a narrow peak must not vanish from a long path.
    positions, values = _thinned(times, costs, np.max)
    heights = 1.0 - values / (max_cost or 1.0)
    return f"0,1 {point_list(list(zip(positions, heights, strict=True)))} 1,1"


def escaped(text: str) -> str:
    """Return any text as HTML text or attribute value."""
    # A file name may hold bytes that are not text; they become question marks.
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))


def _thinned(
    times: np.ndarray, values: np.ndarray, reduce: Callable[[np.ndarray], Any]
) -> tuple[np.ndarray, np.ndarray]:
    groups = min(len(values), MAX_CURVE_POINTS)
    positions = np.array([group.mean() for group in np.array_split(times / times[-1], groups)])
    positions[0], positions[-1] = 0.0, 1.0
    return positions, np.array([reduce(group) for group in np.array_split(values, groups)])
