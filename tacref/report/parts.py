"""Find a short clip in a long one: from the two clips to all that is written of the matches."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tacref.alignment.alignment import Alignment
from tacref.alignment.labels import transfer_labels
from tacref.alignment.matches import Match, find_matches
from tacref.alignment.matching import ANY_MATCHING, Matching
from tacref.alignment.stepwise import path_weights
from tacref.data.cache import clip_length
from tacref.encoder.embedding import Embedder
from tacref.ends import SUBSEQUENCE
from tacref.report.results import (
    COLUMNS,
    FORMAT,
    EmbeddedVideo,
    Results,
    steps,
    unlabeled_frames,
    unlabeled_lines,
)
from tacref.report.videos import Request, embed_clips, labels_of, report_results
from tacref.report.written_labels import write_all_labels
from tacref.steps import check_steps
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


def check_part(request: Request, *, grouped: bool = False) -> None:
    """Refuse what could not be done, before any work.

    Parameters
    ----------
    request : Request
        With `part`.
    grouped : bool
        Whether the clips are those of a folder, in no order.

    Raises
    ------
    ValueError
        If labels, clips and options do not fit each other; names the option.
    """
    matching = request.matching
    sought = request.deviation_threshold is not None
    banded = matching.band is not None or matching.band_seconds is not None
    for given, option in (
        (request.barycenter, "--barycenter"),
        (banded, "--band"),
        (sought, "--deviations"),
    ):
        if given:
            raise ValueError(f"--part and {option} exclude each other")
    if grouped:
        raise ValueError("--part takes two clips, the short one first, got a folder of clips")
    if len(request.clips) != 2:
        raise ValueError(f"--part takes two clips, the short one first, got {len(request.clips)}")
    request.check()
    (short, short_path), (long, path) = request.clips.items()
    frames = clip_length(path)
    if matching.steps != ANY_MATCHING.steps:
        try:
            matching.check_lengths(clip_length(short_path), frames, SUBSEQUENCE)
        except ValueError as error:
            raise ValueError(f"{short} in {long}: {error}") from None
    if request.part is not None and request.part > frames:
        raise ValueError(
            f"--part must be at most {frames}, the frames of {long}, got {request.part}"
        )
    if request.phases is not None:
        lengths = {path: clip_length(path) for path in request.clips.values()}
        _check_labelled(request, labels_of(request, lengths), short)


def align_part(
    encoder: Embedder, request: Request, folder: Path, *, final_folder: Path | None = None
) -> PartResults:
    """Find the first clip in the second, and write the matches and the report.

    Parameters
    ----------
    encoder : Embedder
        A run's encoder or an ONNX session.
    request : Request
        Checked by `check_part`.
    folder : Path
        Where `matches.csv`, `alignment.json`, the report and what else was asked for go.
    final_folder : Path, optional
        What it will be called, if not so: `phases.csv` may have paths from there.

    Returns
    -------
    PartResults
        What was found, and lines that say it.

    Raises
    ------
    ValueError
        If a clip is damaged or not what the encoder takes, or there are fewer matches.
    """
    matching = request.matching
    short, long = embed_clips(encoder, request.clips)
    times = dict(zip(request.clips.values(), (short.times, long.times), strict=True))
    known = labels_of(request, {path: len(own) for path, own in times.items()}, times)
    if request.phases is not None:
        _check_labelled(request, known, short.name)
    x, y = (np.asarray(video.x, np.float64) for video in (short, long))
    matches = find_matches(
        x,
        y,
        matches=request.part or 1,
        times_x=short.times,
        times_y=long.times,
        cost=matching.cost,
        steps=matching.steps,
        progress=True,
    )
    steps_taken = check_steps(matching.steps)
    alignments = [
        Alignment(
            match.path,
            x,
            y,
            short.times,
            long.times,
            matching.cost,
            None if steps_taken.are_any else path_weights(match.path, steps_taken),
        )
        for match in matches
    ]
    labels = _labels_of_both(short.name, long, matches, known)
    results = PartResults(request.encoder, matching, short, long, matches, alignments, labels)
    results.write(folder)
    if labels:
        write_all_labels(folder, final_folder or folder, (short, long), labels, request.phases_as)
    stretches = results.stretches()
    own = [short.name, *(results.names if long.name in known else ())]
    report_results(folder, stretches, own)
    if request.video:
        stretches.write_video(folder / "aligned.mp4")
    return results


def _check_labelled(request: Request, labels: Collection[str], short: str) -> None:
    if short not in labels:
        raise ValueError(f"{request.phases}: has no phases of {short}, which --part carries over")


def _labels_of_both(
    short: str,
    long: EmbeddedVideo,
    matches: Sequence[Match],
    known: Mapping[str, list[str | None]],
) -> dict[str, list[str | None]]:
    """Return the labels of both videos, none if there are none.

    The short one's go along the paths; frames of the long one between the matches have none.
    """
    labels = dict(known)
    if labels and long.name not in labels:
        carried: list[str | None] = [None] * len(long.x)
        for match in matches:
            own = transfer_labels(known[short], match.path)
            carried[match.begin : match.end] = own[match.begin :]
        labels[long.name] = carried
    return labels
