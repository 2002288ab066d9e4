"""`python -m tacref.align`: align videos with a reference; write the report and the alignments."""

import sys

if __name__ == "__main__":  # before what is below is loaded, of which some may not be installed
    from tacref.commands import main as run

    sys.exit(run(["align", *sys.argv[1:]]))

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tacref.alignment import Alignment, align
from tacref.alignment.groups import MAX_CELLS, barycenter, medoid, outliers, pair_costs
from tacref.alignment.labels import matched_frames, read_labels, transfer_labels, write_labels
from tacref.alignment.report import Shown, write_report
from tacref.checks import check_band
from tacref.commands import Parser, command, printable
from tacref.data import iter_frames
from tacref.data.cache import clip_length
from tacref.data.clips import clip_kind
from tacref.data.named import clip_names, named_clips
from tacref.embed import embed_clip, open_encoder
from tacref.files import check_new_folder, new_folder

FORMAT = 2
# Tau compares all pairs of frames; of longer videos it looks at every second, third, ... one.
TAU_FRAMES = 2000
BARYCENTER = "barycenter"


class Video(NamedTuple):
    """A clip and its embeddings; the barycenter has no path."""

    name: str
    path: Path | None
    x: np.ndarray
    times: np.ndarray

    def frames(self) -> Iterator[tuple[np.ndarray, float]]:
        """Read the clip; of the barycenter, its embeddings."""
        return zip(self.x, self.times, strict=True) if self.path is None else iter_frames(self.path)

    @property
    def has_pictures(self) -> bool:
        """True if there is something to see."""
        return self.path is not None and clip_kind(self.path) != "features"


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
        type=int,
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
    check_new_folder(options.out)
    chosen = grouped or options.barycenter  # the reference, by what the clips cost
    _check_lengths(paths, paths if chosen else paths[:1], options)
    encoder = open_encoder(options.encoder, device=options.device)
    videos = [
        Video(name, path, *embed_clip(encoder, path, progress=True))
        for name, path in zip(names, paths, strict=True)
    ]
    labels: dict[str, list[str]] = {}
    if options.phases is not None:
        labels = _read_labels(options.phases, {video.name: len(video.x) for video in videos})
    first = 0
    if chosen:
        first = medoid(pair_costs([video.x for video in videos]))
        _check_reach(options.band, {video.name: len(video.x) for video in videos}, [names[first]])
    reference = videos[first]
    others = videos[:first] + videos[first + 1 :]
    if options.barycenter:
        center = barycenter([video.x for video in videos], reference.x).astype(np.float32)
        reference, others = Video(BARYCENTER, None, center, reference.times), videos
    alignments = [
        align(
            reference.x,
            other.x,
            times_x=reference.times,
            times_y=other.times,
            band=options.band,
            progress=True,
        )
        for other in others
    ]
    odd = outliers([alignment.mean_cost for alignment in alignments])
    given = set(labels)
    if given:
        _transfer(reference, others, alignments, labels)
    taus, stride = _taus(reference, others)
    with new_folder(options.out) as folder:
        _write_json(folder, options, reference, others, alignments, odd)
        _write_csv(folder, others, alignments)
        if given:
            write_labels(
                folder / "phases.csv", {video.name: labels[video.name] for video in videos}
            )
        reference_shown, *others_shown = (
            Shown(video.name, video.frames(), labels.get(video.name), video.name not in given)
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
        )
        if options.video:
            _write_video(folder, reference, others, alignments)
    _say(options, reference, others, alignments, odd)
    return 0


def _read_labels(path: str, lengths: Mapping[str, int]) -> dict[str, list[str]]:
    labels = read_labels(path, lengths)
    if not labels:
        raise ValueError(f"{path}: has no phases of {', '.join(lengths)}")
    return labels


def _check_lengths(paths: Sequence[Path], references: Sequence[Path], options: Any) -> None:
    """Refuse what could not be aligned, before the clips are embedded."""
    check_band(options.band, 0, 0)
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
    reference: Video,
    others: Sequence[Video],
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


def _taus(reference: Video, others: Sequence[Video]) -> tuple[list[float | None], int]:
    longest = max(len(video.x) for video in (reference, *others))
    stride = math.ceil(longest / TAU_FRAMES)
    try:
        from tacref.evaluation import kendall_tau

        return [kendall_tau([reference.x, other.x], stride=stride) for other in others], stride
    except ImportError:  # SciPy is not there: the report says that it was not computed
        return [None] * len(others), stride


def _write_json(
    folder: Path,
    options: Any,
    reference: Video,
    others: Sequence[Video],
    alignments: Sequence[Alignment],
    odd: Sequence[int],
) -> None:
    record = {
        "format": FORMAT,
        "encoder": options.encoder,
        "band": options.band,
        "reference": reference.name,
        "outliers": [others[k].name for k in odd],
        "alignments": [
            {"name_x": reference.name, "name_y": other.name, **alignment.to_json()}
            for other, alignment in zip(others, alignments, strict=True)
        ],
    }
    (folder / "alignment.json").write_text(json.dumps(record) + "\n", encoding="utf-8")


def _write_csv(folder: Path, others: Sequence[Video], alignments: Sequence[Alignment]) -> None:
    """Write one line a step: the frame of the reference, that of the other, times and cost."""
    path = folder / "alignment.csv"
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("video", "reference_frame", "frame", "reference_time", "time", "cost"))
        for other, alignment in zip(others, alignments, strict=True):
            steps = zip(
                alignment.path.tolist(),
                alignment.path_times.tolist(),
                alignment.step_costs.tolist(),
                strict=True,
            )
            writer.writerows(
                (other.name, i, j, f"{s:.6f}", f"{t:.6f}", f"{cost:.9g}")
                for (i, j), (s, t), cost in steps
            )


def _write_video(
    folder: Path, reference: Video, others: Sequence[Video], alignments: Sequence[Alignment]
) -> None:
    from tacref.alignment.report.mosaic import write_mosaic

    shown = [np.arange(len(reference.x))]
    shown += [matched_frames(alignment.path[:, ::-1]) for alignment in alignments]
    write_mosaic(
        folder / "aligned.mp4",
        reference.times,
        [
            (video.frames(), frames)
            for video, frames in zip((reference, *others), shown, strict=True)
            if video.has_pictures
        ],
    )


def _say(
    options: Any,
    reference: Video,
    others: Sequence[Video],
    alignments: Sequence[Alignment],
    odd: Sequence[int],
) -> None:
    out = Path(options.out)
    if options.json:
        summary = {
            "reference": reference.name,
            "pairs": [
                {
                    "name": other.name,
                    "cost": alignment.cost,
                    "mean_cost": alignment.mean_cost,
                    "steps": len(alignment.path),
                }
                for other, alignment in zip(others, alignments, strict=True)
            ],
            "outliers": [others[k].name for k in odd],
            "alignment": str(out / "alignment.json"),
            "report": str(out / "report.html"),
        }
        print(json.dumps(summary))
        return
    for k, (other, alignment) in enumerate(zip(others, alignments, strict=True)):
        one, two = printable(reference.name), printable(other.name)
        print(
            f"{one} ({len(reference.x)} frames) and {two} ({len(other.x)} frames): "
            f"cost {alignment.cost:.4g}, mean {alignment.mean_cost:.4g} in "
            f"{len(alignment.path)} steps{', an outlier' if k in odd else ''}"
        )
    print(f"report: {printable(str(out / 'report.html'))}")
