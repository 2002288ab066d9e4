"""Write report.html: two videos in step along the path, and the cost matrix with the path."""

import html
import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from tacref.alignment.align import Alignment
from tacref.alignment.report.images import matrix_picture, thumbnail
from tacref.files import replacing

MAX_PICTURES = 400  # a video; longer ones show every second, third, ... frame
WIDTH = 320


def write_report(
    path: str | Path,
    alignment: Alignment,
    frames_x: Iterable[np.ndarray],
    frames_y: Iterable[np.ndarray],
    *,
    name_x: str,
    name_y: str,
) -> None:
    """Write a self-contained HTML report.

    Parameters
    ----------
    path : str or Path
        File to write; replaced if it exists.
    alignment : Alignment
        What to show.
    frames_x, frames_y : iterable of ndarray
        Frames of the two videos, each read once: uint8 `(H, W, 3)` RGB; of feature rows no
        picture is shown, only numbers and times.
    name_x, name_y : str
        What the videos are called. Any text; escaped.
    """
    videos = [
        {
            "name": name,
            "times": [round(float(time), 4) for time in times],
            **_pictures(frames, len(times)),
        }
        for name, times, frames in (
            (name_x, alignment.times_x, frames_x),
            (name_y, alignment.times_y, frames_y),
        )
    ]
    data = {
        "videos": videos,
        "path": alignment.path.tolist(),
        "costs": [float(f"{cost:.4g}") for cost in alignment.step_costs],
    }
    # Inside a script element only "<" could end it or open a comment.
    script = json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")
    n, m = alignment.D.shape
    template = resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    text = Template(template).substitute(
        name_x=html.escape(name_x),
        name_y=html.escape(name_y),
        n=n,
        m=m,
        steps=len(alignment.path),
        duration_x=f"{alignment.times_x[-1] - alignment.times_x[0]:.2f}",
        duration_y=f"{alignment.times_y[-1] - alignment.times_y[0]:.2f}",
        cost=f"{alignment.cost:.4g}",
        mean_cost=f"{alignment.mean_cost:.4g}",
        low=f"{alignment.D.min():.3g}",
        high=f"{alignment.D.max():.3g}",
        matrix=matrix_picture(alignment.D),
        line=" ".join(f"{j + 0.5},{i + 0.5}" for i, j in alignment.path),
        data=script,
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _pictures(frames: Iterable[np.ndarray], count: int) -> dict[str, object]:
    every = -(-count // MAX_PICTURES)
    pictures = [
        thumbnail(frame, WIDTH)
        for index, frame in enumerate(frames)
        if index % every == 0 and frame.ndim == 3
    ]
    return {"pictures": pictures, "every": every}
