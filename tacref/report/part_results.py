"""Matches of a short video in a long one: what is written and printed of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tacref.alignment.alignment import Alignment
from tacref.alignment.matches import Match
from tacref.alignment.matching import Matching
from tacref.report.results import (
    COLUMNS,
    FORMAT,
    EmbeddedVideo,
    Results,
    steps,
    unlabeled_frames,
    unlabeled_lines,
)
from tacref.tables import as_text, write_rows
from tacref.terminal import printable

# In matches.csv, and the keys of the same in JSON.
MATCH_COLUMNS = (
    "rank",
    "start_frame",
    "end_frame",
    "start_seconds",
    "end_seconds",
    "cost",
    "mean_cost",
)
# The long video is shown from this many seconds before a match to this many after it.
CONTEXT_SECONDS = 1.0


@dataclass(frozen=True)
class PartResults:
    """Matches of a short video in a long one.

    Parameters
    ----------
    encoder : str
        Name of the encoder.
    matching : Matching
        Cost and steps of the alignments.
    short, long : EmbeddedVideo
        Videos x and y of every alignment.
    matches : sequence of Match
        The cheapest first.
    alignments : sequence of Alignment
        One per match, of all frames of both videos.
    labels : mapping of str to sequence of str or None
        Phase of every frame of both videos, by name; empty if there are no labels.
    """

    encoder: str
    matching: Matching
    short: EmbeddedVideo
    long: EmbeddedVideo
    matches: Sequence[Match]
    alignments: Sequence[Alignment]
    labels: Mapping[str, Sequence[str | None]]

    @property
    def names(self) -> list[str]:
        """Name of each match: that of the long video, and which match it is if there are others."""
        if len(self.matches) == 1:
            return [self.long.name]
        return [f"{self.long.name}, match {rank}" for rank, _ in enumerate(self.matches, 1)]

    def write(self, folder: Path) -> None:
        """Write `matches.csv`, `alignment.json` and `alignment.csv` into a folder."""
        record = {
            "format": FORMAT,
            "encoder": self.encoder,
            **self.matching._asdict(),
            "reference": self.short.name,
            "outliers": [],
            "alignments": [
                {**row, "name_x": self.short.name, "name_y": self.long.name, **alignment.to_json()}
                for row, alignment in zip(self._rows(), self.alignments, strict=True)
            ],
        }
        (folder / "alignment.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
        path = folder / "alignment.csv"
        with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
            write_rows(file, [COLUMNS])
            for name, alignment in zip(self.names, self.alignments, strict=True):
                write_rows(file, steps(as_text(name), alignment))
        path = folder / "matches.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            write_rows(file, [MATCH_COLUMNS])
            for row in self._rows():
                rank, start, end, *seconds_and_costs = row.values()
                formats = (".6f", ".6f", ".9g", ".9g")
                numbers = map(format, seconds_and_costs, formats)
                write_rows(file, [[rank, start, end, *numbers]])

    def stretches(self) -> Results:
        """Return each match with the long video cut to it, and a little on either side."""
        others, cut, labels = [], [], {}
        if self.labels:
            labels[self.short.name] = self.labels[self.short.name]
        times = self.long.times
        for name, match, whole in zip(self.names, self.matches, self.alignments, strict=True):
            ends = match.begin_time - CONTEXT_SECONDS, match.end_time + CONTEXT_SECONDS
            # A frame whose time is rounded counts as it would unrounded.
            start, stop = np.searchsorted(times, np.array(ends) - 1e-6).tolist()
            frames = slice(min(start, match.begin), max(stop, match.end))
            y, times_y = whole.y[frames], whole.times_y[frames]
            path = match.path - (0, frames.start)
            others.append(EmbeddedVideo(name, self.long.path, y, times_y, frames.start))
            if self.labels:
                labels[name] = self.labels[self.long.name][frames]
            cut.append(replace(whole, path=path, y=y, times_y=times_y))
        return Results(self.encoder, self.matching, self.short, others, cut, [], labels)

    def lines(self) -> Iterator[str]:
        """Yield the text output: a line per match, and another if it hardly is one."""
        short, long = printable(self.short.name), printable(self.long.name)
        yield f"{short} ({len(self.short.x)} frames) in {long} ({len(self.long.x)} frames):"
        for rank, (match, alignment) in enumerate(
            zip(self.matches, self.alignments, strict=True), 1
        ):
            yield (
                f"match {rank}: {match.begin_time:.2f} to {match.end_time:.2f} s (frames "
                f"{match.begin} to {match.end - 1}): cost {match.cost:.4g}, mean "
                f"{match.mean_cost:.4g}"
            )
            if alignment.mismatch:
                yield (
                    f"  {short} and this stretch hardly show the same activity: relative cost "
                    f"{alignment.relative_cost:.2f}, above {alignment.mismatch_cost:.2g} (1: as "
                    "frames drawn at random)"
                )
        yield from unlabeled_lines(self.labels)

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain JSON values."""
        return {
            "short": self.short.name,
            "long": self.long.name,
            "matches": [
                {
                    **row,
                    "relative_cost": alignment.relative_cost,
                    "mismatch": alignment.mismatch,
                    "steps": len(alignment.path),
                }
                for row, alignment in zip(self._rows(), self.alignments, strict=True)
            ],
            "unlabeled_frames": unlabeled_frames(self.labels),
        }

    def _rows(self) -> list[dict[str, Any]]:
        values = (
            (rank, each.begin, each.end, each.begin_time, each.end_time, each.cost, each.mean_cost)
            for rank, each in enumerate(self.matches, 1)
        )
        return [dict(zip(MATCH_COLUMNS, row, strict=True)) for row in values]
