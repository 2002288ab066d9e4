"""Align videos with a reference, step by step: from clips to all that is written of them."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tacref.alignment.alignment import Alignment, align
from tacref.alignment.groups import MAX_CELLS, barycenter, medoid, outliers, pair_costs
from tacref.alignment.labels import read_labels, transfer_labels, write_labels
from tacref.alignment.matching import ANY_MATCHING, Matching
from tacref.data.cache import clip_length
from tacref.data.clips import clip_kind
from tacref.encoder.embedding import Embedder, embed_clip
from tacref.report.page import ReportVideo, write_report
from tacref.report.results import EmbeddedVideo, Results
from tacref.terminal import progress_bar

# Tau compares all pairs of frames; of longer videos it looks at every second, third, ... one.
TAU_FRAMES = 2000
BARYCENTER = "barycenter"


@dataclass(frozen=True)
class Request:
    """What is to be aligned, and how.

    Parameters
    ----------
    clips : mapping of str to Path
        Clips by name.
    encoder : str
        What the report says of the encoder.
    choose : bool
        Take the clip that fits the others best as the reference; by default the first one.
    barycenter : bool
        Align with the clips' soft-DTW barycenter.
    matching : Matching
        Cost, steps and band of the alignments.
    phases : str, optional
        A label file; its labels go to the clips that it lacks.
    video : bool
        Write `aligned.mp4`, all side by side.
    part : int, optional
        Find the first clip in the second one, at this many places (see `tacref.report.parts`).
    """

    clips: Mapping[str, Path]
    encoder: str
    choose: bool = False
    barycenter: bool = False
    matching: Matching = ANY_MATCHING
    phases: str | None = None
    video: bool = False
    part: int | None = None

    def check(self) -> None:
        """Refuse what could not be done, before any work.

        Raises
        ------
        ValueError
            If labels, clips and options do not fit each other; names the option.
        """
        self.matching.check()
        if self.barycenter and self.matching.cost != "sqeuclidean":
            raise ValueError(
                "--barycenter takes --cost sqeuclidean, which it makes small, got "
                f"{self.matching.cost!r}"
            )
        if self.phases is not None:
            labels_of(self, {name: clip_length(path) for name, path in self.clips.items()})
        if self.video and all(clip_kind(path) == "features" for path in self.clips.values()):
            raise ValueError("--video needs clips with pictures, got arrays of features")
        if self.part is None and (self.barycenter or self.matching[1:] != ANY_MATCHING[1:]):
            self._check_lengths({path: clip_length(path) for path in self.clips.values()})

    def _check_lengths(self, lengths: Mapping[Path, int]) -> None:
        paths = list(lengths)
        _check_reach(self.matching, lengths, paths if self.choose else paths[:1])
        cells = min(lengths.values()) * max(lengths.values())
        if self.barycenter and cells > MAX_CELLS:
            raise ValueError(
                f"--barycenter takes at most {MAX_CELLS} pairs of frames of two clips, got {cells}"
            )


def align_videos(encoder: Embedder, request: Request, folder: Path) -> Results:
    """Align clips with a reference, and write the alignments and the report.

    Parameters
    ----------
    encoder : Embedder
        A run's encoder or an ONNX session.
    request : Request
        Checked.
    folder : Path
        Where `alignment.json`, `alignment.csv`, the report and what else was asked for go.

    Returns
    -------
    Results
        What was found, and lines that say it.

    Raises
    ------
    ValueError
        If a clip is damaged or not what the encoder takes, or steps or band leave no path to the
        reference that was chosen.
    """
    videos = embed_clips(encoder, request.clips)
    known = labels_of(request, {video.name: len(video.x) for video in videos})
    reference, others = _choose_reference(videos, request)
    alignments = _align(reference, others, request.matching)
    odd = outliers([alignment.mean_cost for alignment in alignments])
    results = Results(request.encoder, request.matching, reference, others, alignments, odd)
    labels = _transfer(results, known)
    results.write(folder)
    if labels:
        write_labels(folder / "phases.csv", {video.name: labels[video.name] for video in videos})
    report_results(folder, results, known, labels)
    if request.video:
        results.write_video(folder / "aligned.mp4")
    return results


def embed_clips(encoder: Embedder, clips: Mapping[str, Path]) -> list[EmbeddedVideo]:
    """Embed all frames of some clips."""
    return [
        EmbeddedVideo(name, path, *embed_clip(encoder, path, progress=True))
        for name, path in clips.items()
    ]


def labels_of(request: Request, lengths: Mapping[str, int]) -> dict[str, list[str | None]]:
    """Return the labels of those clips that the label file has; none without a file."""
    if request.phases is None:
        return {}
    labels = read_labels(request.phases, lengths)
    if not labels:
        raise ValueError(f"{request.phases}: has no phases of {', '.join(lengths)}")
    return {name: [*phases] for name, phases in labels.items()}


def _choose_reference(
    videos: Sequence[EmbeddedVideo], request: Request
) -> tuple[EmbeddedVideo, list[EmbeddedVideo]]:
    """Return the reference, and what is to be aligned with it."""
    first = 0
    if request.choose:
        cost = request.matching.cost
        first = medoid(pair_costs([video.x for video in videos], cost=cost, progress=True))
        lengths = {video.name: len(video.x) for video in videos}
        _check_reach(request.matching, lengths, [videos[first].name])
    reference = videos[first]
    if not request.barycenter:
        return reference, [*videos[:first], *videos[first + 1 :]]
    rows = [video.x for video in videos]
    center = barycenter(rows, reference.x, progress=True).astype(np.float32)
    return EmbeddedVideo(BARYCENTER, None, center, reference.times), list(videos)


def _check_reach(matching: Matching, lengths: Mapping[Any, int], references: Sequence[Any]) -> None:
    """Refuse steps and bands that leave no path to some clip, whichever reference is taken."""

    def apart(one: Any, other: Any) -> int:
        return abs(lengths[one] - lengths[other])

    # The reference that asks for least, and of its clips the hardest first: what a message says
    # about them then suffices for all.
    nearest = sorted(references, key=lambda one: max(apart(one, other) for other in lengths))
    refusals = [_refusal(matching, lengths, reference) for reference in nearest]
    if all(refusals):
        raise ValueError(refusals[0])


def _refusal(matching: Matching, lengths: Mapping[Any, int], reference: Any) -> str | None:
    """Return why some clip cannot be aligned with a reference, None if all can."""
    length = lengths[reference]
    for other in sorted(lengths, key=lambda other: -abs(length - lengths[other])):
        if other == reference:
            continue
        try:
            matching.check_lengths(length, lengths[other])
        except ValueError as error:
            return f"{reference} and {other}: {error}"
    return None


def _align(
    reference: EmbeddedVideo, others: Sequence[EmbeddedVideo], matching: Matching
) -> list[Alignment]:
    return [
        align(
            reference.x,
            other.x,
            times_x=reference.times,
            times_y=other.times,
            **matching._asdict(),
            progress=len(others) == 1,
        )
        for other in progress_bar(others, "align", len(others), "videos", enabled=len(others) > 1)
    ]


def _transfer(
    results: Results, known: Mapping[str, list[str | None]]
) -> dict[str, list[str | None]]:
    """Return labels of all videos, none if there are none.

    They go along the paths from the reference, which may get its own from one of the others.
    """
    labels = dict(known)
    if not labels:
        return {}
    reference = results.reference.name
    pairs = list(zip(results.others, results.alignments, strict=True))
    if reference not in labels:
        source, alignment = next(pair for pair in pairs if pair[0].name in labels)
        labels[reference] = transfer_labels(labels[source.name], alignment.path[:, ::-1])
    for other, alignment in pairs:
        if other.name not in labels:
            labels[other.name] = transfer_labels(labels[reference], alignment.path)
    return labels


def report_results(
    folder: Path,
    results: Results,
    known: Collection[str],
    labels: Mapping[str, Sequence[str | None]],
) -> None:
    """Write the report of some alignments.

    Parameters
    ----------
    folder : Path
        An existing folder.
    results : Results
        What to show.
    known : collection of str
        Names of the videos whose labels were not transferred.
    labels : mapping of str to sequence of str or None
        Phase of each frame, for the videos that have labels.
    """
    taus, stride = _taus(results.alignments)
    reference, *others = (
        ReportVideo(video.name, video.frames(), labels.get(video.name), video.name not in known)
        for video in (results.reference, *results.others)
    )
    write_report(
        folder,
        reference,
        list(zip(results.alignments, others, strict=True)),
        encoder=results.encoder,
        taus=taus,
        tau_stride=stride,
        outliers=results.outliers,
        progress=True,
    )


def _taus(alignments: Sequence[Alignment]) -> tuple[list[float | None], int]:
    """Return tau of each pair, within the stretch of its path; and the stride."""
    stretches = [
        [
            rows[first : last + 1]
            for rows, first, last in zip((each.x, each.y), *each.path[[0, -1]], strict=True)
        ]
        for each in alignments
    ]
    longest = max(len(rows) for pair in stretches for rows in pair)
    stride = math.ceil(longest / TAU_FRAMES)
    try:
        from tacref.evaluation import kendall_tau

        pairs = progress_bar(stretches, "order", len(stretches), "videos")
        return [kendall_tau(pair, stride=stride) for pair in pairs], stride
    except ImportError:  # SciPy is not there: the report says that it was not computed
        return [None] * len(alignments), stride
