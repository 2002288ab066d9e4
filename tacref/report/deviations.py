"""Deviations of the videos of a set: `deviations.csv`, lines and JSON, and marks in the report."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tacref.alignment.alignment import Alignment
from tacref.alignment.deviations import Deviation
from tacref.report.series import elapsed
from tacref.report.views import badge
from tacref.tables import as_text, write_rows

COLUMNS = (
    "video",
    "start_frame",
    "end_frame",
    "start_seconds",
    "end_seconds",
    "reference_start_frame",
    "reference_end_frame",
    "reference_start_seconds",
    "reference_end_seconds",
    "mean_cost",
    "max_cost",
    "z",
)


def deviation_record(deviation: Deviation, alignment: Alignment) -> dict[str, Any]:
    """Return a deviation as plain JSON values, with times on the clips' own clocks, ends exclusive.

    Parameters
    ----------
    deviation : Deviation
        Of the alignment's video y.
    alignment : Alignment
        With times in seconds.
    """
    ends_x, ends_y = _with_end(alignment.times_x), _with_end(alignment.times_y)
    return {
        "start_frame": deviation.start_y,
        "end_frame": deviation.end_y,
        "start_seconds": float(ends_y[deviation.start_y]),
        "end_seconds": float(ends_y[deviation.end_y]),
        "reference_start_frame": deviation.start_x,
        "reference_end_frame": deviation.end_x,
        "reference_start_seconds": float(ends_x[deviation.start_x]),
        "reference_end_seconds": float(ends_x[deviation.end_x]),
        "mean_cost": deviation.mean_cost,
        "max_cost": deviation.max_cost,
        "z": deviation.z,
    }


def write_deviations(
    path: Path, videos: Sequence[tuple[str, Alignment, Sequence[Deviation]]]
) -> None:
    """Write `deviations.csv`: a line for each deviation.

    Parameters
    ----------
    path : Path
        File to write.
    videos : sequence of (str, Alignment, sequence of Deviation)
        Name of each video, its alignment with the reference, and its deviations.
    """
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        write_rows(file, [COLUMNS])
        for name, alignment, deviations in videos:
            for deviation in deviations:
                record = deviation_record(deviation, alignment)
                write_rows(file, [[as_text(name), *map(_field, record.items())]])


def deviation_lines(alignment: Alignment, deviations: Sequence[Deviation]) -> Iterator[str]:
    """Yield a line of text for each deviation."""
    for each in (deviation_record(deviation, alignment) for deviation in deviations):
        yield (
            f"deviation at {each['start_seconds']:.2f} to {each['end_seconds']:.2f} s (reference: "
            f"{each['reference_start_seconds']:.2f} to {each['reference_end_seconds']:.2f} s): z "
            f"{each['z']:.1f}, mean cost {each['mean_cost']:.3g}"
        )


def deviation_marks(deviations: Sequence[Deviation], ends_x: np.ndarray) -> str:
    """Return rectangles over the unit square of a curve over the reference's time."""
    return "".join(
        f'<rect class="deviation" x="{ends_x[each.start_x] / ends_x[-1]:.4f}" y="0" '
        f'width="{(ends_x[each.end_x] - ends_x[each.start_x]) / ends_x[-1]:.4f}" height="1">'
        f"<title>deviation, z {each.z:.1f}</title></rect>"
        for each in deviations
    )


def deviation_bar(
    deviations: Sequence[Deviation] | None, k: int, letter: str, ends_y: np.ndarray
) -> str:
    """Return a bar of the deviations of video number k over its own time; "" if none were sought.

    Parameters
    ----------
    deviations : sequence of Deviation or None
        None if none were sought.
    k, letter : int, str
        The video's number and letter on the page.
    ends_y : ndarray of float64, shape (m + 1,)
        Time of each of its frames, and the end of the last one.
    """
    if deviations is None:
        return ""
    parts = "".join(
        f'<svg x="{100 * ends_y[each.start_y] / ends_y[-1]:.3f}%" '
        f'width="{100 * (ends_y[each.end_y] - ends_y[each.start_y]) / ends_y[-1]:.3f}%" '
        f'height="100%"><title>deviation, z {each.z:.1f}: {ends_y[each.start_y]:.2f} to '
        f'{ends_y[each.end_y]:.2f} s</title><rect class="deviation" width="100%" height="100%"/>'
        "</svg>"
        for each in deviations
    )
    return (
        f'<div class="line"><p class="soft small">Deviations of {letter}: {len(deviations)}</p>'
        f'<p class="marks" aria-hidden="true">{badge(k)}</p>'
        f'<div class="bar" data-video="{k}"><svg>{parts}</svg>'
        '<span class="needle"></span></div></div>'
    )


def deviation_table(
    deviations: Sequence[Deviation] | None, letter: str, ends_x: np.ndarray, ends_y: np.ndarray
) -> str:
    """Return the section that lists deviations, each with a button that goes there.

    Parameters
    ----------
    deviations : sequence of Deviation or None
        None if none were sought; then it is empty.
    letter : str
        The video's letter on the page.
    ends_x, ends_y : ndarray of float64, shapes (n + 1,) and (m + 1,)
        Time of each frame of both, and the end of the last one.
    """
    if deviations is None:
        return ""
    rows = "".join(
        f'<tr><td><button type="button" class="place" data-frame="{each.start_x}">'
        f"{ends_y[each.start_y]:.2f} to {ends_y[each.end_y]:.2f} s</button></td>"
        f"<td>{ends_x[each.start_x]:.2f} to {ends_x[each.end_x]:.2f} s</td>"
        f"<td>{each.mean_cost:.3g}</td><td>{each.max_cost:.3g}</td><td>{each.z:.1f}</td></tr>"
        for each in deviations
    )
    table = (
        f'<table class="deviations"><thead><tr><th scope="col">{letter}</th>'
        '<th scope="col">A</th><th scope="col">Mean cost</th><th scope="col">Largest</th>'
        f'<th scope="col">z</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    return (
        f'<div class="card padded"><h2>Deviations of {letter}</h2>'
        + (table if deviations else "<p>None.</p>")
        + "</div>\n"
    )


def _with_end(times: np.ndarray) -> np.ndarray:
    """Return the times of all frames, and the end of the last one."""
    return np.append(times, times[0] + elapsed(times)[-1])


def _field(item: tuple[str, Any]) -> Any:
    name, value = item
    if name.endswith("_time"):
        return f"{value:.6f}"
    return value if name.endswith("_frame") else f"{value:.9g}"
