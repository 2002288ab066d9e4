"""Align videos with a reference, step by step: from clips to all that is written of them."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tacref.alignment.alignment import Alignment, align
from tacref.alignment.deviations import MIN_OTHERS, Deviation, find_deviations
from tacref.alignment.groups import MAX_CELLS, barycenter, medoid, outliers
from tacref.alignment.labels import read_labels, transfer_labels
from tacref.alignment.matching import ANY_MATCHING, Matching
from tacref.data.cache import clip_length
from tacref.data.clips import clip_kind
from tacref.data.elan import check_elan_phase
from tacref.encoder.embedding import Embedder, embed_clip
from tacref.report.page import write_report
from tacref.report.reach import check_reach
from tacref.report.report_video import ReportVideo
from tacref.report.results import EmbeddedVideo, Results
from tacref.report.written_labels import write_all_labels
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
    phases_as : sequence of str
        Write the labels also in these formats of one clip each, "vtt" and "elan".
    video : bool
        Write `aligned.mp4`, all side by side.
    part : int, optional
        Find the first clip in the second one, at this many places (see `tacref.report.parts`).
    deviation_threshold : float, optional
        Seek deviations of the clips, above this threshold.
    """

    clips: Mapping[str, Path]
    encoder: str
    choose: bool = False
    barycenter: bool = False
    matching: Matching = ANY_MATCHING
    phases: str | None = None
    phases_as: Sequence[str] = ()
    video: bool = False
    part: int | None = None
    deviation_threshold: float | None = None

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
        if self.deviation_threshold is not None:
            least = MIN_OTHERS + 1 + (not self.barycenter)
            if len(self.clips) < least:
                raise ValueError(
                    f"--deviations compares each clip with {MIN_OTHERS} others or more"
                    f"{'' if self.barycenter else ' besides the reference'}: it needs {least} "
                    f"clips, got {len(self.clips)}"
                )
        if self.phases is not None:
            lengths = {path: clip_length(path) for path in self.clips.values()}
            known = labels_of(self, lengths)
            if "elan" in self.phases_as:
                for phase in {phase for labels in known.values() for phase in labels}:
                    check_elan_phase(phase or "")
        elif self.phases_as:
            raise ValueError("--phases-as needs --phases: there are no labels to write")
        if self.video and all(clip_kind(path) == "features" for path in self.clips.values()):
            raise ValueError("--video needs clips with pictures, got arrays of features")
        if self.part is None and (self.barycenter or self.matching[1:] != ANY_MATCHING[1:]):
            self._check_lengths({path: clip_length(path) for path in self.clips.values()})

    def _check_lengths(self, lengths: Mapping[Path, int]) -> None:
        paths = list(lengths)
        check_reach(self.matching, lengths, paths if self.choose else paths[:1])
        cells = min(lengths.values()) * max(lengths.values())
        if self.barycenter and cells > MAX_CELLS:
            raise ValueError(
                f"--barycenter takes at most {MAX_CELLS} pairs of frames of two clips, got {cells}"
            )


def align_videos(
    encoder: Embedder, request: Request, folder: Path, *, final_folder: Path | None = None
) -> Results:
    """Align clips with a reference, and write the alignments and the report.

    Parameters
    ----------
    encoder : Embedder
        A run's encoder or an ONNX session.
    request : Request
        Checked.
    folder : Path
        Where `alignment.json`, `alignment.csv`, the report and what else was asked for go.
    final_folder : Path, optional
        What it will be called, if not so: `phases.csv` may have paths from there.

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
    times = {path: video.times for path, video in zip(request.clips.values(), videos, strict=True)}
    known = labels_of(request, {path: len(own) for path, own in times.items()}, times)
    reference, others = _choose_reference(videos, request)
    alignments = _align(reference, others, request.matching)
    odd = outliers([alignment.mean_cost for alignment in alignments])
    labels = _transfer(reference, list(zip(others, alignments, strict=True)), known)
    deviations = None
    if request.deviation_threshold is not None:
        deviations = find_deviations(alignments, threshold=request.deviation_threshold)
    results = Results(
        request.encoder, request.matching, reference, others, alignments, odd, labels, deviations
    )
    results.write(folder)
    if labels:
        write_all_labels(folder, final_folder or folder, videos, labels, request.phases_as)
    report_results(folder, results, known)
    if request.video:
        results.write_video(folder / "aligned.mp4")
    return results


def embed_clips(encoder: Embedder, clips: Mapping[str, Path]) -> list[EmbeddedVideo]:
    """Embed all frames of some clips."""
    return [
        EmbeddedVideo(name, path, *embed_clip(encoder, path, progress=True))
        for name, path in clips.items()
    ]


def labels_of(
    request: Request,
    lengths: Mapping[Path, int],
    times: Mapping[Path, np.ndarray] | None = None,
) -> dict[str, list[str | None]]:
    """Return the labels of those clips that the label file has; none without a file."""
    if request.phases is None:
        return {}
    first = None if request.choose else next(iter(request.clips.values()))
    labels = read_labels(request.phases, lengths, times=times, reference=first)
    if not labels:
        raise ValueError(f"{request.phases}: has no phases of {', '.join(request.clips)}")
    return {name: labels[path] for name, path in request.clips.items() if path in labels}


def _choose_reference(
    videos: Sequence[EmbeddedVideo], request: Request
) -> tuple[EmbeddedVideo, list[EmbeddedVideo]]:
    """Return the reference, and what is to be aligned with it."""
    first = 0
    if request.choose:
        cost = request.matching.cost
        first = medoid([video.x for video in videos], cost=cost, progress=True)
        lengths = {video.name: len(video.x) for video in videos}
        check_reach(request.matching, lengths, [videos[first].name])
    reference = videos[first]
    if not request.barycenter:
        return reference, [*videos[:first], *videos[first + 1 :]]
    rows = [video.x for video in videos]
    center = barycenter(rows, start=reference.x, progress=True).astype(np.float32)
    return EmbeddedVideo(BARYCENTER, None, center, reference.times), list(videos)


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
    reference: EmbeddedVideo,
    pairs: Sequence[tuple[EmbeddedVideo, Alignment]],
    known: Mapping[str, list[str | None]],
) -> dict[str, list[str | None]]:
    """Return labels of all videos, none if there are none.

    They go along the paths from the reference, which may get its own from one of the others.
    """
    labels = dict(known)
    if not labels:
        return {}
    if reference.name not in labels:
        source, alignment = next(pair for pair in pairs if pair[0].name in labels)
        labels[reference.name] = transfer_labels(labels[source.name], alignment.path[:, ::-1])
    for other, alignment in pairs:
        if other.name not in labels:
            labels[other.name] = transfer_labels(labels[reference.name], alignment.path)
    return labels


def report_results(folder: Path, results: Results, known: Collection[str]) -> None:
    """Write the report of some alignments.

    Parameters
    ----------
    folder : Path
        An existing folder.
    results : Results
        What to show.
    known : collection of str
        Names of the videos whose labels were not transferred.
    """
    taus, stride = _taus(results.alignments)
    sought = results.deviations
    of_videos: list[Sequence[Deviation] | None] = [None]  # the reference has none
    of_videos += [None] * len(results.others) if sought is None else sought
    reference, *others = (
        ReportVideo(
            video.name,
            video.frames(),
            results.labels.get(video.name),
            video.name not in known,
            deviations,
        )
        for video, deviations in zip((results.reference, *results.others), of_videos, strict=True)
    )
    write_report(
        folder,
        reference,
        list(zip(results.alignments, others, strict=True)),
        encoder=Path(results.encoder).resolve().name,
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
