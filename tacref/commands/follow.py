"""`tacref follow`: where in a reference a performer is, while the video runs."""

import json
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from tacref.alignment import OnlineAligner, Position
from tacref.alignment.following import follow
from tacref.alignment.labels import reference_labels
from tacref.commands.guard import command
from tacref.commands.matching import add_cost, add_steps
from tacref.commands.options import Parser, add_device, add_encoder, add_json, positive_int
from tacref.data.cache import clip_length
from tacref.data.clips import clip_kind, load_clip
from tacref.data.live import STDIN, is_live, source_name
from tacref.encoder.embedding import Embedder, embed_clip
from tacref.terminal import printable, write_failure
from tacref_export.opening import open_encoder

BAR = 24  # characters
OFF_SCRIPT = "OFF SCRIPT: in no part of the reference"


@command("follow")
def main(argv: Sequence[str] | None = None) -> int:
    """Follow a clip or a camera through a reference, and show it in the terminal."""
    parser = Parser(
        prog="tacref follow",
        description="Show where in a reference video a performer is, frame by frame.",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="follow this clip; a camera: 0, /dev/video0; a URL: rtsp://, http://, https://, "
        "udp://, tcp://, rtmp://, srt://; or - for standard input: a video, or rows of numbers, "
        'as .npy or lines of JSON, [...] or {"time": seconds, "row": [...]}',
    )
    parser.add_argument(
        "--reference", required=True, metavar="A", help="find positions in this clip"
    )
    add_encoder(
        parser,
        "--encoder",
        required=False,
        without=" (default: compare rows of numbers as they are; A is then a .npy or .npz)",
    )
    parser.add_argument(
        "--phases",
        metavar="FILE",
        help="show the reference's phases, read from this label file: .csv; or .vtt (WebVTT), .txt "
        "or .tsv (ELAN), which are the reference's whatever they are called",
    )
    parser.add_argument(
        "--open-begin", action="store_true", help="let the performer begin anywhere in A"
    )
    add_cost(parser)
    add_steps(parser, "frames of SOURCE", "of A")
    parser.add_argument(
        "--batch",
        type=positive_int,
        metavar="N",
        help="embed N frames together: fewer are shown sooner, more cost less (default: 8, or 1 if "
        "rows of numbers come on standard input)",
    )
    add_device(parser)
    add_json(parser, "one JSON object a frame")
    options = parser.parse_args(argv)

    if not Path(options.reference).exists():
        raise FileNotFoundError(f"{options.reference}: no such file or folder")
    if not is_live(options.source) and not Path(options.source).exists():
        raise FileNotFoundError(f"{options.source}: no such file or folder, no camera and no URL")
    if options.encoder is None:
        _check_rows(options)
    if options.phases is not None:  # what is wrong with the file, before any work
        reference_labels(options.phases, options.reference, clip_length(Path(options.reference)))
    encoder, (reference, times) = _open_reference(options)
    phases = None
    if options.phases is not None:
        phases = reference_labels(options.phases, options.reference, len(reference), times)
    aligner = OnlineAligner(
        reference,
        phases=phases,
        open_begin=options.open_begin,
        cost=options.cost,
        steps=options.steps,
    )
    rows_come_live = (
        options.source == STDIN and encoder is not None and not encoder.config.takes_pictures
    )
    batch = options.batch or (1 if rows_come_live else 8)
    positions = follow(encoder, options.source, aligner, batch=batch)
    if options.json:
        _lines(positions, times, sys.stdout)
    else:
        _screen(positions, times, sys.stdout, has_phases=phases is not None)
    return 0


def _check_rows(options: Namespace) -> None:
    """Refuse pictures where there is no encoder, before any work."""
    clips = [options.reference]
    if is_live(options.source) and options.source != STDIN:
        raise ValueError(f"{source_name(options.source)}: has pictures, which need --encoder")
    if options.source != STDIN:
        clips.append(options.source)
    for clip in clips:
        if clip_kind(clip) != "features":
            raise ValueError(
                f"{clip}: needs --encoder; without one, rows of numbers are compared, from .npy "
                "or .npz"
            )


def _open_reference(options: Namespace) -> tuple[Embedder | None, tuple[np.ndarray, np.ndarray]]:
    """Return the encoder if there is one, and the embeddings, or rows, and times of A."""
    if options.encoder is None:
        return None, load_clip(options.reference)
    encoder = open_encoder(options.encoder, device=options.device)
    return encoder, embed_clip(encoder, options.reference, progress=not options.json)


def _lines(positions: Iterator[tuple[float, Position]], times: np.ndarray, out: TextIO) -> None:
    for frame, (timestamp, position) in enumerate(positions):
        record = {
            "frame": frame,
            "time": round(timestamp, 4),
            "reference_frame": position.frame,
            "reference_time": round(float(times[position.frame]), 4),
            "phase": position.phase,
            "confidence": round(position.confidence, 4),
            "cost": position.cost,
            "local_cost": position.local_cost,
            "off_script": position.off_script,
        }
        print(json.dumps(record), file=out, flush=True)
        if write_failure(out):  # nobody is there to follow for
            return


def _screen(
    positions: Iterator[tuple[float, Position]],
    times: np.ndarray,
    out: TextIO,
    *,
    has_phases: bool = False,
) -> None:
    """Show one line that is written over on a terminal, elsewhere one a change of what it says."""
    terminal = out.isatty()
    said: tuple[str | None, bool] | None = None
    line, count, length = "", 0, 0  # length of the line that is written over
    astray, unlabeled = 0, 0
    try:
        for timestamp, position in positions:
            count += 1
            astray += position.off_script
            unlabeled += has_phases and position.phase is None and not position.off_script
            line = _line(timestamp, position, times)
            news = (position.phase, position.off_script)
            if terminal:  # a line that is wrapped could not be written over
                width = shutil.get_terminal_size().columns - 1
                shown = line[:width]
                print(f"\r{shown:<{length}}", end="", file=out, flush=True)
                length = len(shown)
            elif news != said:
                print(line, file=out, flush=True)
            said = news
            if write_failure(out):
                return
    finally:  # a camera is stopped by Ctrl-C: what is said then has a line of its own
        if terminal and line:
            print(file=out)
    if line and not terminal:
        print(line, file=out)
    notes = []
    if astray:
        notes.append(f"{astray} of them in no part of the reference")
    if unlabeled:
        notes.append(f"{unlabeled} of them where the reference has no phase")
    print(", ".join((f"{count} frames followed", *notes)), file=out)


def _line(timestamp: float, position: Position, times: np.ndarray) -> str:
    done = round(BAR * position.frame / max(1, len(times) - 1))
    state = OFF_SCRIPT if position.off_script else printable(position.phase or "")
    return (
        f"{timestamp:7.2f} s  [{'#' * done:<{BAR}}] {times[position.frame]:.2f} of "
        f"{times[-1]:.2f} s  {position.confidence:4.0%} sure  {state}"
    ).rstrip()
