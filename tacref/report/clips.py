"""The clips of a group: a table to choose from, and a sheet of all of them in step."""

import statistics
from collections.abc import Sequence

import numpy as np

from tacref.alignment.alignment import Alignment
from tacref.alignment.labels import matched_frames
from tacref.report.letters import letter
from tacref.report.pictures import contact_sheet, photo_uri
from tacref.report.report_video import ReportVideo
from tacref.report.timelines import escaped
from tacref.report.views import MAX_IN_VIEW, badge

_SORTED = ' aria-sort="ascending"'
# Moments of the reference on the sheet.
SHEET_MOMENTS = 8
_COLUMNS = (
    ("letter", "Clip"),
    ("seconds", "Seconds"),
    ("mean", "Mean cost"),
    ("relative", "Relative cost"),
)


def clips_table(
    videos: Sequence[ReportVideo],
    alignments: Sequence[Alignment],
    durations: Sequence[float],
    *,
    outliers: Sequence[int],
    shown: int,
) -> str:
    """Return the table of all clips: which are shown, which is compared with A, what they cost.

    Parameters
    ----------
    videos : sequence of ReportVideo
        The reference and the others.
    alignments : sequence of Alignment
        One per other.
    durations : sequence of float
        Seconds of each video.
    outliers : sequence of int
        Numbers of the others that do not fit the reference well.
    shown : int
        How many of the others are in view at first.
    """
    if len(videos) == 2:
        return ""
    sought = any(video.deviations is not None for video in videos)
    columns = (*_COLUMNS, ("deviations", "Deviations")) if sought else _COLUMNS
    heads = "".join(
        f'<th scope="col"{_SORTED if key == "letter" else ""} class="{key}">'
        f'<button type="button" class="sort" data-key="{key}">{text}</button></th>'
        for key, text in columns
    )
    reference = (
        f'<tbody><tr><td></td><th scope="row"><span class="pick">{badge(0)} '
        f"<bdi>{escaped(videos[0].name)}</bdi></span> "
        '<span class="soft small">reference</span></th>'
        f'<td class="seconds">{durations[0]:.2f}</td><td></td><td class="relative"></td>'
        f"{'<td></td>' if sought else ''}</tr></tbody>"
    )
    rows = "".join(
        _row(k, video, alignment, duration, k - 1 in outliers, k <= shown, sought)
        for k, (video, alignment, duration) in enumerate(
            zip(videos[1:], alignments, durations[1:], strict=True), 1
        )
    )
    return (
        '<section class="card padded clips" aria-label="Clips"><h2>Clips</h2>'
        f"{_outlier_line(videos, outliers)}{_search(len(alignments))}"
        '<div class="rows"><table><thead><tr><th scope="col" class="show">Show</th>'
        f'{heads}</tr></thead>{reference}<tbody id="clips">{rows}</tbody></table></div></section>'
    )


def _search(count: int) -> str:
    if count <= MAX_IN_VIEW:
        return ""
    return (
        '<p class="find"><label>Search <input type="search" id="search" autocomplete="off"></label>'
        f'<output class="soft small number" id="found" for="search">{count} of {count}</output></p>'
    )


def _row(
    k: int,
    video: ReportVideo,
    alignment: Alignment,
    duration: float,
    outlier: bool,
    shown: bool,
    sought: bool,
) -> str:
    note = ' <span class="outlier">outlier</span>' if outlier else ""
    deviations = len(video.deviations or ())
    keys = {
        "letter": k,
        "seconds": f"{duration:.4f}",
        "mean": repr(alignment.mean_cost),
        "relative": repr(alignment.relative_cost),
        "deviations": deviations,
    }
    data = " ".join(f'data-{name}="{value}"' for name, value in keys.items())
    return (
        f'<tr {data}><td><label class="check"><input type="checkbox" class="shown" value="{k}"'
        f'{" checked" if shown else ""} aria-label="Show {letter(k)}"></label></td>'
        f'<th scope="row"><button type="button" class="pick" value="{k}" '
        f'aria-pressed="{"true" if k == 1 else "false"}">{badge(k)} '
        f"<bdi>{escaped(video.name)}</bdi></button>{note}</th>"
        f'<td class="seconds">{duration:.2f}</td><td>{alignment.mean_cost:.3g}</td>'
        f'<td class="relative">{alignment.relative_cost:.3f}</td>'
        f"{f'<td>{deviations}</td>' if sought else ''}</tr>"
    )


def _outlier_line(videos: Sequence[ReportVideo], outliers: Sequence[int]) -> str:
    if not outliers:
        return ""
    names = ", ".join(
        f"{badge(k + 1)} <bdi>{escaped(videos[k + 1].name)}</bdi>" for k in sorted(outliers)
    )
    return f'<p class="odd">{"Outlier" if len(outliers) == 1 else "Outliers"}: {names}</p>'


def outlier_note(k: int, alignments: Sequence[Alignment]) -> str:
    """Return what the section of an outlier, video number k, says of it."""
    median = statistics.median(alignment.mean_cost for alignment in alignments)
    return (
        f'<p class="card padded mismatch"><strong>{letter(k)} is an outlier.</strong> Its mean '
        f"cost is {alignments[k - 1].mean_cost:.4g}; the median of all is {median:.4g}.</p>\n"
    )


def sheet_frames(alignments: Sequence[Alignment]) -> list[list[int]]:
    """Return frames of each video at some moments of the reference."""
    n = len(alignments[0].x)
    moments = ((np.arange(SHEET_MOMENTS) + 0.5) / SHEET_MOMENTS * n).astype(int)
    matched = [matched_frames(alignment.path[:, ::-1], n)[moments] for alignment in alignments]
    return [moments.tolist(), *(frames.tolist() for frames in matched)]


def sheet(
    frames: Sequence[Sequence[int]],
    pictures: Sequence[dict[int, np.ndarray]],
    videos: Sequence[ReportVideo],
    ends_x: np.ndarray,
) -> str:
    """Return the sheet: a row of pictures for each video, with its letter; "" without pictures.

    Parameters
    ----------
    frames : sequence of sequence of int
        What `sheet_frames` returns; empty for two videos.
    pictures : sequence of dict of int to ndarray
        Pictures of each video's frames.
    videos : sequence of ReportVideo
        The videos.
    ends_x : ndarray of float64, shape (n + 1,)
        Time of each frame of the reference, and the end of the last one.
    """
    rows = [
        (k, [of_video[frame] for frame in moments])
        for k, (moments, of_video) in enumerate(zip(frames, pictures, strict=True))
        if moments and of_video
    ]
    if not rows:
        return ""
    width = max(picture.shape[1] for _, row in rows for picture in row)
    times = "".join(f"<span>{ends_x[frame]:.2f} s</span>" for frame in frames[0])
    strips = "".join(
        f'<li>{badge(k)}<img class="strip" src="{photo_uri(contact_sheet([row], 4, width))}" '
        f'alt="{letter(k)}: {escaped(videos[k].name)}"></li>'
        for k, row in rows
    )
    return (
        '<section class="card padded"><h2>All in step</h2>'
        '<div class="sheet">'
        f'<p class="moments-of small soft number"><span>A</span>{times}</p><ul>{strips}</ul>'
        "</div></section>"
    )
