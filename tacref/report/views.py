"""The videos at the top of the page, and the bars of their phases."""

from pathlib import Path

import numpy as np

from tacref.alignment.labels import unlabeled_count
from tacref.report.letters import letter
from tacref.report.report_video import ReportVideo
from tacref.report.timelines import escaped, phase_bar

# Of more videos than this, besides the reference, only the first `SHOWN_OF_MANY` are shown until
# others are chosen.
MAX_IN_VIEW = 8
SHOWN_OF_MANY = 3


def shown_at_first(others: int) -> int:
    """Return how many videos besides the reference are shown before any choice."""
    return others if others <= MAX_IN_VIEW else SHOWN_OF_MANY


def video_file(k: int) -> str:
    """Return the name of the file of video number k."""
    return f"video-{k}.mp4"


def figure(k: int, video: ReportVideo, folder: Path, *, outlier: bool, shown: bool) -> str:
    """Return the view of video number k.

    Parameters
    ----------
    k : int
        Its number; 0 is the reference.
    video : ReportVideo
        The video.
    folder : Path
        Where its file is, if it has pictures.
    outlier : bool
        Whether it does not fit the reference well.
    shown : bool
        Whether it is in view before any choice; others are not loaded until they are chosen.
    """
    name, own = escaped(video.name), letter(k)
    view = (
        f'<video src="{video_file(k)}" muted playsinline preload="{"auto" if shown else "none"}" '
        f'tabindex="-1" aria-label="Video {own}: {name}"></video>'
        if (folder / video_file(k)).exists()
        else '<div class="none"><p class="big number" aria-hidden="true">0</p>'
        "<p>No pictures: this is a sequence of features.</p></div>"
    )
    note = '<span class="outlier">outlier</span>' if outlier else ""
    return (
        f'<figure class="card" id="view-{k}"{"" if shown else " hidden"}>{view}<figcaption>'
        f'{badge(k)}<bdi class="name" title="{name}">{name}</bdi>{note}'
        f'<span class="now" id="phase-{k}"></span>'
        f'<span class="number soft" id="text-{k}"></span></figcaption></figure>'
    )


def badge(k: int) -> str:
    """Return the letter of video number k in a circle."""
    return f'<span class="badge {"b" if k else "a"}">{letter(k)}</span>'


def phases(k: int, video: ReportVideo, ends: np.ndarray, colors: dict[str, int]) -> str:
    """Return the phases of video number k over its own time; "" if it has none.

    Parameters
    ----------
    k : int
        Its number.
    video : ReportVideo
        The video.
    ends : ndarray of float64, shape (n + 1,)
        Time of each frame, and the end of the last one.
    colors : dict of str to int
        Number of each phase's color; new phases are added.
    """
    if video.labels is None:
        return ""
    notes = ["transferred along the path"] if video.transferred else []
    if unlabeled := unlabeled_count(video.labels):
        notes.append(f"{unlabeled} of {len(video.labels)} frames have none")
    note = f" ({'; '.join(notes)})" if notes else ""
    kind = " transferred" if video.transferred else ""
    return (
        f'<div class="line"><p class="soft small">Phases of {letter(k)}{note}</p>'
        f'<p class="marks" aria-hidden="true">{badge(k)}</p>'
        f'<div class="bar{kind}" data-video="{k}">{phase_bar(video.labels, ends, colors)}'
        '<span class="needle"></span></div></div>'
    )
