"""Write report.html: two videos in step along the path, and the cost matrix with the path."""

import base64
import hashlib
import html
import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from tacref.alignment.align import Alignment
from tacref.alignment.costs import mean_costs
from tacref.alignment.report.images import (
    MATRIX_SIDE,
    Thumbnails,
    legend_picture,
    matrix_picture,
    thumbnails,
)
from tacref.files import replacing

STRIP_POINTS = 600  # of the line of step costs


def write_report(
    path: str | Path,
    alignment: Alignment,
    frames_x: Iterable[np.ndarray],
    frames_y: Iterable[np.ndarray],
    *,
    name_x: str,
    name_y: str,
    encoder: str = "",
) -> None:
    """Write a self-contained HTML report.

    It opens from a file, needs no network, and its Content-Security-Policy forbids any; only the
    style and the script that are written here can run, by their hashes.

    Parameters
    ----------
    path : str or Path
        File to write; replaced if it exists.
    alignment : Alignment
        What to show, with times in seconds.
    frames_x, frames_y : iterable of ndarray
        All frames of the two videos, each read once: uint8 `(H, W, 3)` RGB; of feature rows no
        picture is shown, only numbers and times.
    name_x, name_y : str
        What the videos are called. Any text; escaped.
    encoder : str
        What the embeddings come from, to be named in the report. Any text; escaped.

    Raises
    ------
    ValueError
        If a video has not as many frames as the alignment.
    """
    n, m = len(alignment.x), len(alignment.y)
    # Twice as fine as the picture, which averages the rest.
    D = mean_costs(alignment.x, alignment.y, 2 * MATRIX_SIDE)
    pictures = thumbnails(frames_x, n, "frames_x"), thumbnails(frames_y, m, "frames_y")
    data = {
        "times": [_rounded(alignment.times_x, 4), _rounded(alignment.times_y, 4)],
        "pictures": [{"uris": video.uris, "shown": video.shown} for video in pictures],
        "path": alignment.path.tolist(),
        "costs": [float(f"{cost:.4g}") for cost in alignment.step_costs],
    }
    style, script = _part("report.css"), _part("report.js")
    text = Template(_part("report.html")).substitute(
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        # Numbers and base64 only, no names: nothing in it can end the script element.
        data=json.dumps(data, separators=(",", ":")),
        name_x=_escaped(name_x),
        name_y=_escaped(name_y),
        view_x=_view(pictures[0], "A"),
        view_y=_view(pictures[1], "B"),
        note=_note(pictures, (n, m)),
        encoder=f" Embeddings: {_escaped(encoder)}." if encoder else "",
        n=n,
        m=m,
        steps=len(alignment.path),
        last_step=len(alignment.path) - 1,
        **_times("x", alignment.times_x),
        **_times("y", alignment.times_y),
        cost=f"{alignment.cost:.4g}",
        mean_cost=f"{alignment.mean_cost:.4g}",
        max_cost=f"{alignment.step_costs.max():.4g}",
        low=f"{D.min():.3g}",
        high=f"{D.max():.3g}",
        matrix=matrix_picture(D),
        legend=legend_picture(),
        line=_line(alignment.path),
        strip=_strip(alignment.step_costs),
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _escaped(text: str) -> str:
    # A file name may hold bytes that are no text; they become question marks.
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))


def _rounded(values: np.ndarray, digits: int) -> list[float]:
    return values.round(digits).tolist()


def _times(side: str, times: np.ndarray) -> dict[str, str]:
    first, last = float(times[0]), float(times[-1])
    return {
        f"start_{side}": f"{first:.2f}",
        f"end_{side}": f"{last:.2f}",
    }


def _view(pictures: Thumbnails, letter: str) -> str:
    if not pictures.uris:
        return (
            '<div class="none"><p class="big number" aria-hidden="true">0</p>'
            "<p>No pictures: this clip is an array of features.</p></div>"
        )
    width, height = pictures.size
    return (
        f'<img src="{pictures.uris[0]}" width="{width}" height="{height}" decoding="sync" '
        f'alt="Frame of video {letter} at the current step">'
    )


def _note(pictures: tuple[Thumbnails, Thumbnails], counts: tuple[int, int]) -> str:
    thinned = [
        f"{letter} shows {len(video.uris)} of its {count} frames"
        for letter, video, count in zip("AB", pictures, counts, strict=True)
        if video.uris and len(video.uris) < count
    ]
    return f" {' and '.join(thinned)}, always the nearest one." if thinned else ""


def _line(path: np.ndarray) -> str:
    """Points "x,y" of the path through the centers of its cells, corners only."""
    steps = np.diff(path, axis=0)
    corner = np.ones(len(path), dtype=bool)
    corner[1:-1] = (steps[1:] != steps[:-1]).any(axis=1)
    return " ".join(f"{j + 0.5},{i + 0.5}" for i, j in path[corner].tolist())


def _strip(costs: np.ndarray) -> str:
    """Points "x,y" of the step costs, x and y in [0, 1], y downward."""
    # The largest of each group: a narrow peak must not vanish from a long path.
    groups = np.array_split(costs, min(len(costs), STRIP_POINTS))
    peaks = np.array([group.max() for group in groups])
    heights = 1.0 - peaks / (peaks.max() or 1.0)
    places = np.linspace(0, 1, len(peaks)) if len(peaks) > 1 else np.array([0.5])
    line = [f"{x:.4f},{y:.3f}" for x, y in zip(places, heights, strict=True)]
    return " ".join(["0,1", *line, "1,1"])
