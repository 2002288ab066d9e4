"""`python -m tacref.align`: align videos with a reference; write the report and the alignments."""

import sys

if __name__ == "__main__":  # before what is below is loaded, of which some may not be installed
    from tacref.commands import main as run

    sys.exit(run(["align", *sys.argv[1:]]))

import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from tacref.alignment import Alignment, align
from tacref.alignment.groups import MAX_CELLS, barycenter, medoid, outliers, pair_costs
from tacref.alignment.labels import read_labels, transfer_labels, write_labels
from tacref.commands import Parser, command, natural_int
from tacref.data.cache import clip_length
from tacref.data.clips import clip_kind
from tacref.data.named import clip_names, named_clips
from tacref.embed import embed_clip, open_encoder
from tacref.files import new_folder
from tacref.report import ReportVideo, write_report
from tacref.report.results import EmbeddedVideo, Results
from tacref.terminal import printable, progress_bar

# Tau compares all pairs of frames; of longer videos it looks at every second, third, ... one.
TAU_FRAMES = 2000
BARYCENTER = "barycenter"


@command("align")
def main(argv: Sequence[str] | None = None) -> int:
    """Align clips with a reference and write what came out into a new folder."""
    parser = Parser(
        prog="tacref align",
        description="Align videos in time with a reference: the first one named, or of a folder "
        "the one that fits the others best.",
    )
    parser.add_argument(
        "clips", nargs="+", metavar="VIDEO", help="videos, folders of frames or .npy; or one FOLDER"
    )
    parser.add_argument(
        "--encoder", required=True, metavar="RUN_OR_ONNX", help="a run's folder, or an ONNX file"
    )
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="new folder")
    parser.add_argument(
        "--band",
        type=natural_int,
        metavar="N",
        help="match frames whose number differs by at most N frames (default: any)",
    )
    parser.add_argument(
        "--phases", metavar="CSV", help="label file; its labels go to the clips that it lacks"
    )
    parser.add_argument("--video", action="store_true", help="write aligned.mp4, all side by side")
    parser.add_argument(
        "--barycenter", action="store_true", help="align with the clips' soft-DTW barycenter"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)

    paths, grouped = named_clips(options.clips)
    names = clip_names(paths)
    if options.phases is not None:  # what is wrong with the file, before any work
        _read_labels(
            options.phases,
            {name: clip_length(path) for name, path in zip(names, paths, strict=True)},
        )
    if options.video and not any(clip_kind(path) != "features" for path in paths):
        raise ValueError("--video needs clips with pictures, got arrays of features")
    chosen = grouped or options.barycenter  # the reference, by what the clips cost
    _check_lengths(paths, paths if chosen else paths[:1], options)
    out = Path(options.out)
    with new_folder(out) as folder:  # before the work, so that nobody else begins the same
        results = _align_into(folder, options, dict(zip(names, paths, strict=True)), chosen)
    written = {"alignment": str(out / "alignment.json"), "report": str(out / "report.html")}
    if options.json:
        print(json.dumps(results.to_json() | written))
    else:
        print(*results.lines(), f"report: {printable(written['report'])}", sep="\n")
    return 0


def _align_into(folder: Path, options: Any, paths: Mapping[str, Path], chosen: bool) -> Results:
    """Align all clips with the first, or with a chosen reference, and write what comes out."""
    encoder = open_encoder(options.encoder, device=options.device)
    videos = [
        EmbeddedVideo(name, path, *embed_clip(encoder, path, progress=True))
        for name, path in paths.items()
    ]
    labels: dict[str, list[str]] = {}
    if options.phases is not None:
        labels = _read_labels(options.phases, {video.name: len(video.x) for video in videos})
    first = 0
    if chosen:
        first = medoid(pair_costs([video.x for video in videos], progress=True))
        lengths = {video.name: len(video.x) for video in videos}
        _check_reach(options.band, lengths, [videos[first].name])
    reference = videos[first]
    others = videos[:first] + videos[first + 1 :]
    if options.barycenter:
        rows = [video.x for video in videos]
        center = barycenter(rows, reference.x, progress=True).astype(np.float32)
        reference, others = EmbeddedVideo(BARYCENTER, None, center, reference.times), videos
    alignments = [
        align(
            reference.x,
            other.x,
            times_x=reference.times,
            times_y=other.times,
            band=options.band,
            progress=len(others) == 1,
        )
        for other in progress_bar(others, "align", len(others), "videos", wanted=len(others) > 1)
    ]
    odd = outliers([alignment.mean_cost for alignment in alignments])
    given = set(labels)
    if given:
        _transfer(reference, others, alignments, labels)
    taus, stride = _taus(reference, others)
    results = Results(options.encoder, options.band, reference, others, alignments, odd)
    results.write(folder)
    if given:
        write_labels(folder / "phases.csv", {video.name: labels[video.name] for video in videos})
    reference_shown, *others_shown = (
        ReportVideo(video.name, video.frames(), labels.get(video.name), video.name not in given)
        for video in (reference, *others)
    )
    write_report(
        folder,
        reference_shown,
        list(zip(alignments, others_shown, strict=True)),
        encoder=options.encoder,
        taus=taus,
        tau_stride=stride,
        outliers=odd,
        progress=True,
    )
    if options.video:
        results.write_video(folder / "aligned.mp4")
    return results


def _read_labels(path: str, lengths: Mapping[str, int]) -> dict[str, list[str]]:
    labels = read_labels(path, lengths)
    if not labels:
        raise ValueError(f"{path}: has no phases of {', '.join(lengths)}")
    return labels


def _check_lengths(paths: Sequence[Path], references: Sequence[Path], options: Any) -> None:
    """Refuse what could not be aligned, before the clips are embedded."""
    if options.band is None and not options.barycenter:
        return
    lengths = {path: clip_length(path) for path in paths}
    _check_reach(options.band, lengths, references)
    least = min(lengths.values()) * max(lengths.values())
    if options.barycenter and least > MAX_CELLS:
        raise ValueError(
            f"--barycenter takes at most {MAX_CELLS} pairs of frames of two clips, got {least}"
        )


def _check_reach(band: int | None, lengths: Mapping[Any, int], references: Sequence[Any]) -> None:
    """Refuse a band too narrow for some clip, whichever of the references is taken."""
    if band is None:
        return

    def apart(pair: tuple[Any, Any]) -> int:
        return abs(lengths[pair[0]] - lengths[pair[1]])

    widest = [max(product([one], lengths), key=apart) for one in references]
    one, other = min(widest, key=apart)
    if band < apart((one, other)):
        raise ValueError(
            f"--band must be >= {apart((one, other))}, the frames by which {one} and {other} "
            f"differ, got {band}"
        )


def _transfer(
    reference: EmbeddedVideo,
    others: Sequence[EmbeddedVideo],
    alignments: Sequence[Alignment],
    labels: dict[str, list[str]],
) -> None:
    """Give every video labels: along its path from the reference, which may get them from one."""
    if reference.name not in labels:
        source, alignment = next(
            (other, alignment)
            for other, alignment in zip(others, alignments, strict=True)
            if other.name in labels
        )
        labels[reference.name] = transfer_labels(labels[source.name], alignment.path[:, ::-1])
    for other, alignment in zip(others, alignments, strict=True):
        if other.name not in labels:
            labels[other.name] = transfer_labels(labels[reference.name], alignment.path)


def _taus(
    reference: EmbeddedVideo, others: Sequence[EmbeddedVideo]
) -> tuple[list[float | None], int]:
    longest = max(len(video.x) for video in (reference, *others))
    stride = math.ceil(longest / TAU_FRAMES)
    try:
        from tacref.evaluation import kendall_tau

        pairs = progress_bar(others, "order", len(others), "videos")
        return [kendall_tau([reference.x, other.x], stride=stride) for other in pairs], stride
    except ImportError:  # SciPy is not there: the report says that it was not computed
        return [None] * len(others), stride
