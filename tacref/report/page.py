"""Write report.html and the videos it shows."""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from tacref.alignment.alignment import Alignment
from tacref.alignment.labels import intervals
from tacref.files import replacing
from tacref.report.clips import clips_table, outlier_note, sheet, sheet_frames
from tacref.report.footage import write_footage
from tacref.report.letters import letter
from tacref.report.pair import pair_data, pair_html
from tacref.report.pictures import peek_strip
from tacref.report.progress import frames_bar
from tacref.report.report_video import ReportVideo
from tacref.report.series import elapsed, points, rounded, worst_moments
from tacref.report.timelines import escaped
from tacref.report.views import figure, phases, shown_at_first, video_file

# Small pictures of each video, shown below the matrix.
PEEKS_PER_VIDEO = 48


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
    moments = sheet_frames(alignments) if len(others) > 1 else [[] for _ in videos]
    peeks = [
        np.unique(np.linspace(0, count - 1, PEEKS_PER_VIDEO).round().astype(int)).tolist()
        for count in counts
    ]
    pictured = [{*frames, *more} for frames, more in zip(moments, peeks, strict=True)]
    for k, places in enumerate(worst, 1):
        pictured[0] |= {place[0] for place in places}
        pictured[k] |= {place[1] for place in places}
    pictures = []
    with frames_bar(progress, "report", sum(counts)) as advance:
        for k, (video, count) in enumerate(zip(videos, counts, strict=True)):
            (folder / video_file(k)).unlink(missing_ok=True)  # left by an earlier report
            length, of_video = write_footage(
                folder / video_file(k), video.frames, pictured[k], advance=advance
            )
            if length != count:
                raise ValueError(
                    f"{video.name}: must have {count} frames, as the alignment has, got {length}"
                )
            pictures.append(of_video)
    times = [alignments[0].times_x, *(alignment.times_y for alignment in alignments)]
    ends = [elapsed(own) for own in times]
    colors: dict[str, int] = {}
    bars = [phases(k, video, ends[k], colors) for k, video in enumerate(videos)]
    shown = shown_at_first(len(others))
    data: dict[str, Any] = {
        "times": rounded(ends[0][points(counts[0])], 4),
        "videos": [
            {"letter": letter(k), "shown": k <= shown, **_video_data(video, end)}
            for k, (video, end) in enumerate(zip(videos, ends, strict=True))
        ],
    }
    for video, frames, of_video in zip(data["videos"], peeks, pictures, strict=True):
        video["peeks"] = peek_strip([of_video[frame] for frame in frames]) if of_video else None
    pairs = []
    for k, alignment in enumerate(alignments, 1):
        data["videos"][k] |= pair_data(alignment)
        with_pictures = [
            (i, j, cost, pictures[0].get(i), pictures[k].get(j)) for i, j, cost in worst[k - 1]
        ]
        pairs.append(
            pair_html(
                alignment,
                k,
                names=(reference.name, videos[k].name) if len(others) > 1 else None,
                note=outlier_note(k, alignments) if k - 1 in outliers else "",
                bars=bars[0] + bars[k],
                deviations=videos[k].deviations,
                moments=with_pictures,
                tau=None if taus is None else taus[k - 1],
                tau_stride=tau_stride,
            )
        )
    style = read_asset("report.css") + read_asset("layout.css")
    script = "".join(map(read_asset, ("player.js", "matrix.js", "clips.js")))
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
        count=1 + shown,
        figures="\n".join(
            figure(k, video, folder, outlier=k - 1 in outliers, shown=k <= shown)
            for k, video in enumerate(videos)
        ),
        duration=f"{ends[0][-1]:.4f}",
        clips=clips_table(
            videos, alignments, [float(own[-1]) for own in ends], outliers=outliers, shown=shown
        ),
        sheet=sheet(moments, pictures, videos, ends[0]),
        pairs="\n".join(pairs),
        encoder=f" Embeddings: {escaped(encoder)}." if encoder else "",
    )
    with replacing(folder / "report.html") as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_asset(name: str) -> str:
    """Return the text of a file in this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


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
