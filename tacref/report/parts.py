"""Find a short clip in a long one: from the two clips to all that is written of the matches."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from tacref.alignment.alignment import Alignment
from tacref.alignment.labels import transfer_labels
from tacref.alignment.matches import Match, find_matches
from tacref.alignment.matching import ANY_MATCHING
from tacref.alignment.stepwise import path_weights
from tacref.data.cache import clip_length
from tacref.encoder.embedding import Embedder
from tacref.ends import SUBSEQUENCE
from tacref.report.part_results import PartResults
from tacref.report.results import EmbeddedVideo
from tacref.report.videos import Request, embed_clips, labels_of, report_results
from tacref.report.written_labels import write_all_labels
from tacref.steps import check_steps


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
