"""The section of the report about one pair: its numbers, matrix, curves and worst moments."""

import base64
from collections.abc import Sequence
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from tacref.alignment.alignment import Alignment
from tacref.alignment.costs import mean_costs
from tacref.alignment.deviations import Deviation
from tacref.alignment.distances import LABELS
from tacref.reference import expected_alignment
from tacref.report.deviations import deviation_bar, deviation_marks, deviation_table
from tacref.report.letters import letter as letter_of
from tacref.report.path_ends import PathEnds, end_notes, path_ends
from tacref.report.pictures import MATRIX_SIDE, legend_picture, matrix_picture, photo_uri
from tacref.report.series import elapsed, frame_costs, rounded, series, warp
from tacref.report.timelines import (
    cost_curve,
    escaped,
    point_list,
    speed_curve,
    speed_marks,
    speed_octaves,
)
from tacref.report.views import badge

# Longer sides of the matrix that the pointer reads, and of the expected alignment.
COSTS_SIDE, EXPECTED_SIDE = 160, 400
MAX_LINE_POINTS = 4000
# Smoothing of the expected alignment, as a share of the mean cost.
EXPECTED_GAMMA = 0.05
MISMATCH_NOTE = (
    '<p class="card padded mismatch"><strong>These two hardly show the same activity.</strong> The '
    "matched frames are not much more alike than frames drawn at random: look at the videos before "
    "you rely on this alignment.</p>\n"
)

Moment = tuple[int, int, float, np.ndarray | None, np.ndarray | None]


def pair_data(alignment: Alignment) -> dict[str, Any]:
    """Return what the script of the page needs to know of an alignment, as plain JSON values."""
    curves = series(alignment)
    D = mean_costs(alignment.x, alignment.y, COSTS_SIDE, alignment.cost_name)
    low, high = float(D.min()), float(D.max())
    times, ends = elapsed(alignment.times_x), path_ends(alignment)
    levels = np.rint((D - low) / ((high - low) or 1.0) * 255).astype(np.uint8)
    return {
        "matches": rounded(curves.matches, 4),
        "speeds": [float(f"{s:.3g}") if np.isfinite(s) else None for s in curves.speeds.tolist()],
        # Before the first of these times the other video has not begun, after the second it has
        # ended.
        "present": rounded(times[[ends.begin_x, ends.end_x]], 4),
        "peaks": [None if np.isnan(c) else float(f"{c:.4g}") for c in curves.costs.tolist()],
        "costs": {
            "rows": D.shape[0],
            "columns": D.shape[1],
            "low": low,
            "high": high,
            "levels": base64.b64encode(levels.tobytes()).decode("ascii"),
        },
    }


def pair_html(
    alignment: Alignment,
    k: int,
    *,
    names: tuple[str, str] | None = None,
    note: str = "",
    bars: str,
    deviations: Sequence[Deviation] | None = None,
    moments: Sequence[Moment],
    tau: float | None,
    tau_stride: int,
) -> str:
    """Return the section about the reference, A, and video number k.

    Parameters
    ----------
    alignment : Alignment
        Of the reference x and the other video y.
    k : int
        Number of the other video.
    names : tuple of two str, optional
        Names of both, for a heading; none is needed where there is one pair only.
    note : str
        What else to say of the pair, as HTML.
    bars : str
        Phase bars of the two, as HTML.
    deviations : sequence of Deviation, optional
        Of video number k, if they were sought.
    moments : sequence of (int, int, float, ndarray or None, ndarray or None)
        Frame of x, frame of y, cost, and the pictures of both, if there are any.
    tau : float or None
        Kendall's tau of nearest neighbors, from every `tau_stride`-th frame.
    tau_stride : int
        See `tau`.
    """
    letter = letter_of(k)
    curves, ends = series(alignment), path_ends(alignment)
    # Twice as fine as the picture, which averages the rest.
    D = mean_costs(alignment.x, alignment.y, 2 * MATRIX_SIDE, alignment.cost_name)
    small = mean_costs(alignment.x, alignment.y, EXPECTED_SIDE, alignment.cost_name)
    max_cost = float(np.nanmax(frame_costs(alignment)))
    ends_x, ends_y = elapsed(alignment.times_x), elapsed(alignment.times_y)
    choice = "".join(
        f'<label><input type="radio" name="picture-{k}" value="{value}"{checked}> {text}</label>'
        for value, checked, text in (
            ("distances", " checked", "Costs"),
            ("expected", "", "Expected alignment"),
        )
    )
    octaves = speed_octaves(curves.speeds)
    fastest, slowest = speed_marks(octaves)
    rows_and_columns = f"rows are the frames of A, columns the frames of {letter}"
    drawn = alignment.path[ends.first : ends.last + 1]
    corners = [[0, 0], [len(alignment.x) - 1, len(alignment.y) - 1]]
    course = " from the top left to the bottom right" if drawn[[0, -1]].tolist() == corners else ""
    text = resources.files(__package__).joinpath("pair.html").read_text(encoding="utf-8")
    return Template(text).substitute(
        k=k,
        letter=letter,
        hidden="" if k == 1 else " hidden",
        bars=bars + deviation_bar(deviations, k, letter, ends_y),
        deviation_marks=deviation_marks(deviations or (), ends_x),
        deviations=deviation_table(deviations, letter, ends_x, ends_y),
        choice=f'<p class="choice small">{choice}</p>',
        heading="" if names is None else _heading(k, names),
        note=note,
        ends=_end_notes(end_notes(alignment, ends, letter, ends_x, ends_y)),
        absent=_absent(ends, ends_x),
        fastest=fastest,
        slowest=slowest,
        speed="".join(
            f'<polyline points="{point_list(line)}"/>'
            for line in speed_curve(curves.times, curves.speeds, octaves)
        ),
        cost_curve=cost_curve(curves.times, np.nan_to_num(curves.costs), max_cost),
        max_cost=f"{max_cost:.3g}",
        matrix=matrix_picture(D),
        # The root: so that faint mass shows, too.
        expected=matrix_picture(np.sqrt(_expected(small, alignment))),
        of_distances=f"Costs: {rows_and_columns}, dark where they are alike; a line{course} is "
        "the path",
        of_expected=f"Expected alignment: {rows_and_columns}, bright where they are likely to "
        f"match; a line{course} is the path",
        line=path_line(drawn),
        legend=legend_picture(),
        cost_label=LABELS[alignment.cost_name].capitalize(),
        low=f"{D.min():.3g}",
        high=f"{D.max():.3g}",
        n=len(alignment.x),
        m=len(alignment.y),
        end_x=f"{ends_x[-1]:.2f}",
        end_y=f"{ends_y[-1]:.2f}",
        cost=f"{alignment.cost:.4g}",
        mean_cost=f"{alignment.mean_cost:.4g}",
        relative_cost=f"{alignment.relative_cost:.3f}",
        mismatch=MISMATCH_NOTE if alignment.mismatch else "",
        steps=len(alignment.path),
        tau="not computed" if tau is None else f"{tau:.3f}",
        tau_note=f", every {tau_stride} frames" if tau is not None and tau_stride > 1 else "",
        warp=f"{100 * warp(alignment):.1f} %",
        moments=_moments(moments, letter, ends_x, ends_y),
    )


def _heading(k: int, names: tuple[str, str]) -> str:
    one, other = (
        f"{badge(number)} <bdi>{escaped(name)}</bdi>"
        for number, name in zip((0, k), names, strict=True)
    )
    return f'<h2 class="names">{one} <span class="soft">and</span> {other}</h2>\n'


def _end_notes(notes: Sequence[str]) -> str:
    return f'<p class="ends small">{" ".join(notes)}</p>\n' if notes else ""


def _absent(ends: PathEnds, ends_x: np.ndarray) -> str:
    """Return rectangles over a curve's unit square where the other video is not there."""
    begin, end = ends_x[[ends.begin_x, ends.end_x]] / ends_x[-1]
    return "".join(
        f'<rect class="absent" x="{left:.4f}" y="0" width="{right - left:.4f}" height="1"/>'
        for left, right in ((0.0, begin), (end, 1.0))
        if right > left
    )


def _expected(small: np.ndarray, alignment: Alignment) -> np.ndarray:
    """Return the expected alignment of the averaged costs, within the stretch of the path."""
    shape = np.array(small.shape)
    scale = shape / (len(alignment.x), len(alignment.y))
    first = (alignment.path[0] * scale).astype(int)
    stop = np.minimum((alignment.path[-1] * scale).astype(int) + 1, shape)
    part = small[first[0] : stop[0], first[1] : stop[1]]
    E = np.zeros_like(small)
    # One step of the small matrix stands for several of the path.
    E[first[0] : stop[0], first[1] : stop[1]] = expected_alignment(
        part, gamma=EXPECTED_GAMMA * float(part.mean()) or 1.0
    )
    return E


def path_line(path: np.ndarray) -> str:
    """Return points "x,y" of the line through the centers of a path's cells, corners only.

    Some corners of a long path are left out: a picture does not show them.
    """
    steps = np.diff(path, axis=0)
    corner = np.ones(len(path), dtype=bool)
    corner[1:-1] = (steps[1:] != steps[:-1]).any(axis=1)
    corners = path[corner]
    count = min(len(corners), MAX_LINE_POINTS)
    kept = np.unique(np.linspace(0, len(corners) - 1, count).astype(int))
    return " ".join(f"{j + 0.5},{i + 0.5}" for i, j in corners[kept].tolist())


def _moments(moments: Sequence[Moment], letter: str, ends_x: np.ndarray, ends_y: np.ndarray) -> str:
    if not moments:
        return "<p>None: every step costs nothing.</p>"
    return "".join(
        f'<button type="button" class="moment" data-frame="{i}">'
        + "".join(
            f'<img src="{photo_uri(picture)}" alt="{name} there">'
            for name, picture in (("A", one), (letter, other))
            if picture is not None
        )
        + f'<span class="number">A {ends_x[i]:.2f} s, {letter} {ends_y[j]:.2f} s: cost {cost:.3g}'
        "</span></button>"
        for i, j, cost, one, other in moments
    )
