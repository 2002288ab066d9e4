"""What `tacref align` writes in addition to the report, and what it prints."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tacref.alignment.alignment import Alignment
from tacref.alignment.deviations import Deviation
from tacref.alignment.labels import matched_frames, unlabeled_count
from tacref.alignment.matching import Matching
from tacref.data import iter_frames
from tacref.data.clips import clip_kind
from tacref.report.deviations import deviation_lines, deviation_record, write_deviations
from tacref.report.excerpt import Excerpt
from tacref.report.letters import letter
from tacref.report.mosaic import write_mosaic
from tacref.tables import as_text, write_rows
from tacref.terminal import printable

FORMAT = 2
COLUMNS = ("video", "reference_frame", "frame", "reference_time", "time", "cost")


class EmbeddedVideo(NamedTuple):
    """A clip or a stretch of it, its embeddings and times; `path` is None for the barycenter.

    A stretch begins with frame `start` of the clip; a whole clip has None there.
    """

    name: str
    path: Path | None
    x: np.ndarray
    times: np.ndarray
    start: int | None = None

    def frames(self) -> Iterator[tuple[np.ndarray, float]]:
        """Read the clip; the barycenter's frames are its embeddings."""
        if self.path is None:
            return zip(self.x, self.times, strict=True)
        frames = iter_frames(self.path)
        return frames if self.start is None else Excerpt(frames, self.start, len(self.x))

    @property
    def has_pictures(self) -> bool:
        """True if its frames are pictures."""
        return self.path is not None and clip_kind(self.path) != "features"


@dataclass(frozen=True)
class Results:
    """Alignments of some videos with a reference.

    Parameters
    ----------
    encoder : str
        Name of the encoder.
    matching : Matching
        Cost, steps and band of the alignments.
    reference : EmbeddedVideo
        Video x of every alignment.
    others : sequence of EmbeddedVideo
        Video y of each alignment.
    alignments : sequence of Alignment
        One per other video.
    outliers : sequence of int
        Numbers of the others that do not fit, the worst first.
    labels : mapping of str to sequence of str or None
        Phase of every frame of each video, by name; empty if there are no labels.
    deviations : sequence of sequence of Deviation, or None
        Of each other video; None if none were sought.
    """

    encoder: str
    matching: Matching
    reference: EmbeddedVideo
    others: Sequence[EmbeddedVideo]
    alignments: Sequence[Alignment]
    outliers: Sequence[int]
    labels: Mapping[str, Sequence[str | None]]
    deviations: Sequence[Sequence[Deviation]] | None = None

    def write(self, folder: Path) -> None:
        """Write `alignment.json`, `alignment.csv` and maybe `deviations.csv` into a folder."""
        record = {
            "format": FORMAT,
            "encoder": self.encoder,
            **self.matching._asdict(),
            "reference": self.reference.name,
            "outliers": [self.others[k].name for k in self.outliers],
            "alignments": [
                {"name_x": self.reference.name, "name_y": other.name, **alignment.to_json()}
                for other, alignment in self._pairs()
            ],
        }
        (folder / "alignment.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
        path = folder / "alignment.csv"
        with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
            write_rows(file, [COLUMNS])
            for other, alignment in self._pairs():
                write_rows(file, steps(as_text(other.name), alignment))

        if self.deviations is not None:
            names = [other.name for other in self.others]
            videos = zip(names, self.alignments, self.deviations, strict=True)
            write_deviations(folder / "deviations.csv", list(videos))

    def write_video(self, path: Path) -> None:
        """Write all videos that have pictures side by side, in step with the reference."""
        numbers = [np.arange(len(self.reference.x))]
        numbers += [
            matched_frames(alignment.path[:, ::-1], len(alignment.x))
            for alignment in self.alignments
        ]
        shown = [
            (k, video, frames)
            for k, (video, frames) in enumerate(
                zip((self.reference, *self.others), numbers, strict=True)
            )
            if video.has_pictures
        ]
        write_mosaic(
            path,
            self.reference.times,
            [(video.frames(), frames) for _, video, frames in shown],
            names=[f"{letter(k)}  {video.name}" for k, video, _ in shown],
            progress=True,
        )

    def lines(self) -> Iterator[str]:
        """Yield the text output: a line per pair, and another if the pair does not match."""
        reference = printable(self.reference.name)
        for k, (other, alignment) in enumerate(self._pairs()):
            name = printable(other.name)
            yield (
                f"{reference} ({len(self.reference.x)} frames) and {name} "
                f"({len(other.x)} frames): cost {alignment.cost:.4g}, mean "
                f"{alignment.mean_cost:.4g} in {len(alignment.path)} steps"
                f"{', an outlier' if k in self.outliers else ''}"
            )
            if alignment.mismatch:
                yield (
                    f"  {reference} and {name} hardly show the same activity: relative cost "
                    f"{alignment.relative_cost:.2f}, above {alignment.mismatch_cost:.2g} (1: as "
                    "frames drawn at random)"
                )
            for line in deviation_lines(alignment, self.deviations[k] if self.deviations else ()):
                yield f"  {name}: {line}"
        if self.deviations is not None and not self.deviates:
            yield "no deviations"
        yield from unlabeled_lines(self.labels)

    @property
    def deviates(self) -> bool:
        """True if deviations were sought and there are some."""
        return any(self.deviations or ())

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain JSON values."""
        return {
            "reference": self.reference.name,
            "pairs": [
                {
                    "name": other.name,
                    "cost": alignment.cost,
                    "mean_cost": alignment.mean_cost,
                    "relative_cost": alignment.relative_cost,
                    "mismatch": alignment.mismatch,
                    "steps": len(alignment.path),
                }
                for other, alignment in self._pairs()
            ],
            "outliers": [self.others[k].name for k in self.outliers],
            "unlabeled_frames": unlabeled_frames(self.labels),
            "deviations": self._deviation_records(),
        }

    def _deviation_records(self) -> list[dict[str, Any]] | None:
        if self.deviations is None:
            return None
        return [
            {"name": other.name, **deviation_record(deviation, alignment)}
            for (other, alignment), deviations in zip(self._pairs(), self.deviations, strict=True)
            for deviation in deviations
        ]

    def _pairs(self) -> Iterable[tuple[EmbeddedVideo, Alignment]]:
        return zip(self.others, self.alignments, strict=True)


def steps(name: str, alignment: Alignment) -> Iterator[tuple[str, int, int, str, str, str]]:
    """Yield a row per step: frame of the reference, frame of the other, times and cost."""
    rows = zip(
        alignment.path.tolist(),
        alignment.path_times.tolist(),
        alignment.step_costs.tolist(),
        strict=True,
    )
    for (i, j), (s, t), cost in rows:
        yield name, i, j, f"{s:.6f}", f"{t:.6f}", f"{cost:.9g}"


def unlabeled_frames(labels: Mapping[str, Sequence[str | None]]) -> dict[str, int]:
    """Return the number of frames without a phase of each video."""
    return {name: unlabeled_count(phases) for name, phases in labels.items()}


def unlabeled_lines(labels: Mapping[str, Sequence[str | None]]) -> Iterator[str]:
    """Yield a line of text output for each video with frames without a phase."""
    for name, count in unlabeled_frames(labels).items():
        if count:
            yield f"{printable(name)}: {count} of {len(labels[name])} frames have no phase"
