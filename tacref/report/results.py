"""What `tacref align` writes beside the report, and what it says."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tacref.alignment.alignment import MISMATCH_COST, Alignment
from tacref.alignment.labels import matched_frames
from tacref.data import iter_frames
from tacref.data.clips import clip_kind
from tacref.report.mosaic import write_mosaic
from tacref.tables import as_text, write_rows
from tacref.terminal import printable

FORMAT = 2
COLUMNS = ("video", "reference_frame", "frame", "reference_time", "time", "cost")


class Video(NamedTuple):
    """A clip and its embeddings; the barycenter has no path."""

    name: str
    path: Path | None
    x: np.ndarray
    times: np.ndarray

    def frames(self) -> Iterator[tuple[np.ndarray, float]]:
        """Read the clip; of the barycenter, its rows."""
        if self.path is None:
            return zip(self.x, self.times, strict=True)
        return iter_frames(self.path)

    @property
    def has_pictures(self) -> bool:
        """True if there is something to see."""
        return self.path is not None and clip_kind(self.path) != "features"


@dataclass(frozen=True)
class Results:
    """Alignments of some videos with a reference.

    Parameters
    ----------
    encoder : str
        What the embeddings come from.
    band : int or None
        The alignments' band.
    reference : Video
        x of every alignment.
    others : sequence of Video
        y of each.
    alignments : sequence of Alignment
        One for each of the others.
    outliers : sequence of int
        Which of the others do not fit, the worst first.
    """

    encoder: str
    band: int | None
    reference: Video
    others: Sequence[Video]
    alignments: Sequence[Alignment]
    outliers: Sequence[int]

    def write(self, folder: Path) -> None:
        """Write `alignment.json` and `alignment.csv` into a folder."""
        record = {
            "format": FORMAT,
            "encoder": self.encoder,
            "band": self.band,
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
                write_rows(file, _steps(as_text(other.name), alignment))

    def write_video(self, path: Path) -> None:
        """Write all videos that have pictures side by side, in step with the reference."""
        shown = [np.arange(len(self.reference.x))]
        shown += [matched_frames(alignment.path[:, ::-1]) for alignment in self.alignments]
        videos = zip((self.reference, *self.others), shown, strict=True)
        seen = [(video.frames(), frames) for video, frames in videos if video.has_pictures]
        write_mosaic(path, self.reference.times, seen, progress=True)

    def lines(self) -> Iterator[str]:
        """Yield what a person reads: a line a pair, and one more of each that does not match."""
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
                    f"{alignment.relative_cost:.2f}, above {MISMATCH_COST} (1: as frames drawn at "
                    "random)"
                )

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
        }

    def _pairs(self) -> Iterable[tuple[Video, Alignment]]:
        return zip(self.others, self.alignments, strict=True)


def _steps(name: str, alignment: Alignment) -> Iterator[tuple[str, int, int, str, str, str]]:
    """Yield a line a step: the frame of the reference, that of the other, times and cost."""
    steps = zip(
        alignment.path.tolist(),
        alignment.path_times.tolist(),
        alignment.step_costs.tolist(),
        strict=True,
    )
    for (i, j), (s, t), cost in steps:
        yield name, i, j, f"{s:.6f}", f"{t:.6f}", f"{cost:.9g}"
