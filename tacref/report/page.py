"""Write report.html and the videos it shows."""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from tacref.alignment.alignment import Alignment
from tacref.alignment.deviations import Deviation
from tacref.alignment.labels import intervals, matched_frames, unlabeled_count
from tacref.files import replacing
from tacref.report.footage import write_footage
from tacref.report.pair import pair_data, pair_html
from tacref.report.pictures import contact_sheet, peek_strip, photo_uri
from tacref.report.progress import frames_bar
from tacref.report.series import elapsed, points, rounded, worst_moments
from tacref.report.timelines import escaped, phase_bar

# With more videos than this next to the reference, only one of them is shown at a time.
MAX_VIDEOS_IN_VIEW = 8
# Moments of the reference on the contact sheet of a group.
SHEET_MOMENTS = 8
# Small pictures of each video, shown while the pointer is on the matrix.
PEEKS_PER_VIDEO = 48


@dataclass(frozen=True)
class ReportVideo:
    """A video of the report.

    Parameters
    ----------
    name : str
        Its name. Any text; escaped.
    frames : iterable of (ndarray, float)
        All frames with their times, read once, as `write_footage` takes them: uint8 `(H, W, 3)`
        RGB. For rows of features no pictures are shown, only numbers and times.
    labels : sequence of str or None, optional
        Phase of each frame, None for a frame without one. Any text; escaped.
    transferred : bool
        Whether the labels come from another video, along a path.
    deviations : sequence of Deviation, optional
        Where it stands out against the other videos, if that was sought; none of the reference.
    """

    name: str
    frames: Iterable[tuple[np.ndarray, float]]
    labels: Sequence[str | None] | None = None
    transferred: bool = False
    deviations: Sequence[Deviation] | None = None


def write_report(
    folder: str | Path,
    reference: ReportVideo,
    others: Sequence[tuple[Alignment, ReportVideo]],
    *,
    encoder: str = "",
    taus: Sequence[float | None] | None = None,
    tau_stride: int = 1,
    outliers: Sequence[int] = (),
    progress: bool = False,
) -> None:
    """Write a report: `report.html` and each video, re-encoded for browsers if necessary.

    It opens from a file and needs no network; its Content-Security-Policy forbids any, and allows
    only the style and the script written here, by their hashes.

    Parameters
    ----------
    folder : str or Path
        An existing folder.
    reference : ReportVideo
        The video that plays at its own pace; x of every alignment.
    others : sequence of (Alignment, ReportVideo)
        The videos shown in step with it, each y of its alignment; at least one. Times in seconds.
    encoder : str
        Name of the encoder to print in the report. Any text; escaped.
    taus : sequence of float or None, optional
        Kendall's tau of the nearest neighbors of each pair, if it was computed.
    tau_stride : int
        Tau was computed from every `tau_stride`-th frame.
    outliers : sequence of int
        Numbers of the others that do not fit the reference well.
    progress : bool
        Show a progress bar while the videos are written (on a terminal only; needs tqdm).

    Raises
    ------
    ValueError
        If there are no others, or a video does not have as many frames as its alignment.
    """
    if not others:
        raise ValueError("others must hold at least one video, got none")
    folder = Path(folder)
    alignments = [alignment for alignment, _ in others]
    videos = [reference, *(video for _, video in others)]
    counts = [len(alignments[0].x), *(len(alignment.y) for alignment in alignments)]
    worst = [worst_moments(alignment) for alignment in alignments]
    sheet = _sheet_frames(alignments) if len(others) > 1 else [[] for _ in videos]
    peeks = [
        np.unique(np.linspace(0, count - 1, PEEKS_PER_VIDEO).round().astype(int)).tolist()
        for count in counts
    ]
    pictured = [{*frames, *more} for frames, more in zip(sheet, peeks, strict=True)]
    for k, moments in enumerate(worst, 1):
        pictured[0] |= {moment[0] for moment in moments}
        pictured[k] |= {moment[1] for moment in moments}
    pictures = []
    with frames_bar(progress, "report", sum(counts)) as advance:
        for k, (video, count) in enumerate(zip(videos, counts, strict=True)):
            (folder / _file(k)).unlink(missing_ok=True)  # left by an earlier report
            length, of_video = write_footage(
                folder / _file(k), video.frames, pictured[k], advance=advance
            )
            if length != count:
                raise ValueError(
                    f"{video.name}: must have {count} frames, as the alignment has, got {length}"
                )
            pictures.append(of_video)
    times = [alignments[0].times_x, *(alignment.times_y for alignment in alignments)]
    ends = [elapsed(own) for own in times]
    letters = [_letter(k) for k in range(len(videos))]
    colors: dict[str, int] = {}
    bars = [_bar(k, video, ends[k], letters[k], colors) for k, video in enumerate(videos)]
    data: dict[str, Any] = {
        "one_in_view": len(others) > MAX_VIDEOS_IN_VIEW,
        "times": rounded(ends[0][points(counts[0])], 4),
        "videos": [_video_data(video, end) for video, end in zip(videos, ends, strict=True)],
    }
    for video, frames, of_video in zip(data["videos"], peeks, pictures, strict=True):
        video["peeks"] = peek_strip([of_video[frame] for frame in frames]) if of_video else None
    pairs = []
    for k, alignment in enumerate(alignments, 1):
        data["videos"][k] |= {"letter": letters[k], **pair_data(alignment)}
        pictured_moments = [
            (i, j, cost, pictures[0].get(i), pictures[k].get(j)) for i, j, cost in worst[k - 1]
        ]
        pairs.append(
            pair_html(
                alignment,
                k,
                letters[k],
                bars=bars[0] + bars[k],
                deviations=videos[k].deviations,
                moments=pictured_moments,
                tau=None if taus is None else taus[k - 1],
                tau_stride=tau_stride,
            )
        )
    style, script = read_asset("report.css"), read_asset("player.js") + read_asset("matrix.js")
    title = f"{reference.name} and " + (
        others[0][1].name if len(others) == 1 else f"{len(others)} others"
    )
    text = Template(read_asset("page.html")).substitute(
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        # It holds labels: none of them may end the script element.
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        title=escaped(title),
        subtitle="The first plays at its own pace; each of its frames is shown next to "
        f"the frame of {'the other' if len(others) == 1 else 'each other'} that matches it.",
        many="many" if len(others) > 1 else "",
        figures="\n".join(
            _figure(k, video, letters[k], (folder / _file(k)).exists(), k - 1 in outliers)
            for k, video in enumerate(videos)
        ),
        duration=f"{ends[0][-1]:.4f}",
        sheet=_sheet(sheet, pictures, letters),
        chooser=_chooser(videos, letters),
        pairs="\n".join(pairs),
        encoder=f" Embeddings: {escaped(encoder)}." if encoder else "",
    )
    with replacing(folder / "report.html") as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_asset(name: str) -> str:
    """Return the text of a file in this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _file(k: int) -> str:
    return f"video-{k}.mp4"


def _letter(k: int) -> str:
    return chr(ord("A") + k) if k < 26 else str(k + 1)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _video_data(video: ReportVideo, ends: np.ndarray) -> dict[str, Any]:
    frames = len(ends) - 1
    numbers = points(frames)
    return {
        "frames": frames,
        "numbers": numbers.tolist(),
        "ends": rounded(ends[numbers], 4),
        "phases": None if video.labels is None else intervals(video.labels),
    }


def _bar(k: int, video: ReportVideo, ends: np.ndarray, letter: str, colors: dict[str, int]) -> str:
    if video.labels is None:
        return ""
    notes = ["transferred along the path"] if video.transferred else []
    if unlabeled := unlabeled_count(video.labels):
        notes.append(f"{unlabeled} of {len(video.labels)} frames have none")
    note = f" ({'; '.join(notes)})" if notes else ""
    kind = " transferred" if video.transferred else ""
    return (
        f'<div class="line"><p class="soft small">Phases of {letter}{note}</p>'
        f'<div class="bar{kind}" data-video="{k}">{phase_bar(video.labels, ends, colors)}'
        '<span class="needle"></span></div></div>'
    )


def _figure(k: int, video: ReportVideo, letter: str, footage: bool, outlier: bool) -> str:
    name = escaped(video.name)
    view = (
        f'<video src="{_file(k)}" muted playsinline preload="auto" tabindex="-1" '
        f'aria-label="Video {letter}: {name}"></video>'
        if footage
        else '<div class="none"><p class="big number" aria-hidden="true">0</p>'
        "<p>No pictures: this is a sequence of features.</p></div>"
    )
    kind = "a" if k == 0 else "b"
    note = '<span class="outlier">outlier</span>' if outlier else ""
    return (
        f'<figure class="card" id="view-{k}">{view}<figcaption>'
        f'<span class="badge {kind}">{letter}</span>'
        f'<bdi class="name" title="{name}">{name}</bdi>{note}'
        f'<span class="now" id="phase-{k}"></span>'
        f'<span class="number soft" id="text-{k}"></span></figcaption></figure>'
    )


def _sheet_frames(alignments: Sequence[Alignment]) -> list[list[int]]:
    """Frames of each video at some moments of the reference."""
    n = len(alignments[0].x)
    moments = ((np.arange(SHEET_MOMENTS) + 0.5) / SHEET_MOMENTS * n).astype(int)
    matched = [matched_frames(alignment.path[:, ::-1], n)[moments] for alignment in alignments]
    return [moments.tolist(), *(frames.tolist() for frames in matched)]


def _sheet(
    frames: list[list[int]], pictures: list[dict[int, np.ndarray]], letters: list[str]
) -> str:
    rows = [
        [of_video[frame] for frame in moments]
        for moments, of_video in zip(frames, pictures, strict=True)
        if moments and of_video
    ]
    if not rows:
        return ""
    names = [letter for letter, of_video in zip(letters, pictures, strict=True) if of_video]
    return (
        '<section class="card padded"><h2>All in step</h2><img class="sheet" '
        f'src="{photo_uri(contact_sheet(rows))}" alt="One row per video, {", ".join(names)}; one '
        'column per moment of A"></section>'
    )


def _chooser(videos: Sequence[ReportVideo], letters: list[str]) -> str:
    if len(videos) == 2:
        return ""
    choices = "".join(
        f'<option value="{k}">{letter}: {escaped(video.name)}</option>'
        for k, (letter, video) in enumerate(zip(letters, videos, strict=True))
        if k
    )
    return (
        f'<p class="card padded"><label>Compare A with: <select id="chooser">{choices}'
        "</select></label></p>"
    )
