"""Timelines of the report as SVG: phases of a video, and curves over the reference's time."""

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tacref.alignment.labels import intervals

MAX_CURVE_POINTS = 600
# Speeds are shown from a quarter to four times the reference's, in equal steps of their logarithm.
SPEED_OCTAVES = 2.0
PHASE_COLORS = 8  # in report.css


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


def speed_curve(times: np.ndarray, speeds: np.ndarray) -> str:
    """Return points "x,y" of a curve of speeds over time, x and y in [0, 1], y downward."""
    with np.errstate(divide="ignore"):
        octaves = np.clip(np.log2(speeds), -SPEED_OCTAVES, SPEED_OCTAVES)
    positions, values = _thinned(times, octaves, np.mean)
    return _points(positions, 0.5 - values / (2 * SPEED_OCTAVES))


def cost_curve(times: np.ndarray, costs: np.ndarray, max_cost: float) -> str:
    """Return points "x,y" of the area under a curve of costs over time, as `speed_curve` does."""
    # The largest of each group: a narrow peak must not vanish from a long path.
    positions, values = _thinned(times, costs, np.max)
    return f"0,1 {_points(positions, 1.0 - values / (max_cost or 1.0))} 1,1"


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


def _points(positions: np.ndarray, heights: np.ndarray) -> str:
    pairs = zip(positions, heights, strict=True)
    return " ".join(f"{x:.4f},{y:.3f}" for x, y in pairs if math.isfinite(y))
