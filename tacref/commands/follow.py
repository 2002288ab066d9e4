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
from tacref.alignment.labels import read_labels
from tacref.commands.guard import command
from tacref.commands.matching import add_cost, add_steps
from tacref.commands.options import Parser, add_device, add_encoder, add_json, positive_int
from tacref.data.cache import clip_length
from tacref.data.live import is_live
from tacref.encoder.embedding import embed_clip
from tacref.terminal import printable, write_failure
from tacref_export.opening import open_encoder

BAR = 24  # characters


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
        help="follow this clip; a camera: 0, /dev/video0; - for a video on standard input; or a "
        "URL: rtsp://, http://, https://, udp://, tcp://, rtmp://, srt://",
    )
    parser.add_argument(
        "--reference", required=True, metavar="A", help="find positions in this clip"
    )
    add_encoder(parser, "--encoder")
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
        default=8,
        metavar="N",
        help="embed N frames together: fewer are shown sooner, more cost less (default: 8)",
    )
    add_device(parser)
    add_json(parser, "one JSON object a frame")
    options = parser.parse_args(argv)

    if not Path(options.reference).exists():
        raise FileNotFoundError(f"{options.reference}: no such file or folder")
    if not is_live(options.source) and not Path(options.source).exists():
        raise FileNotFoundError(f"{options.source}: no such file or folder, no camera and no URL")
    if options.phases is not None:  # what is wrong with the file, before any work
        _phases(options, clip_length(Path(options.reference)), None)
    encoder = open_encoder(options.encoder, device=options.device)
    reference, times = embed_clip(encoder, options.reference, progress=not options.json)
    phases = None if options.phases is None else _phases(options, len(reference), times)
    aligner = OnlineAligner(
        reference,
        phases=phases,
        open_begin=options.open_begin,
        cost=options.cost,
        steps=options.steps,
    )
    positions = follow(encoder, options.source, aligner, batch=options.batch)
    if options.json:
        _lines(positions, times, sys.stdout)
    else:
        _screen(positions, times, sys.stdout, has_phases=phases is not None)
    return 0


def _phases(options: Namespace, frames: int, times: np.ndarray | None) -> list[str | None]:
    """Read the phase of each frame of the reference; its times are read from it if necessary."""
    clip = Path(options.reference)
    labels = read_labels(
        options.phases,
        {clip: frames},
        times=None if times is None else {clip: times},
        reference=clip,
    )
    if clip not in labels:
        raise ValueError(
            f"{options.phases}: has no phases of {clip.resolve().name!r}, the reference"
        )
    return labels[clip]


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
    unlabeled = 0
    try:
        for timestamp, position in positions:
            count += 1
            unlabeled += has_phases and position.phase is None
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
    note = f", {unlabeled} of them where the reference has no phase" if unlabeled else ""
    print(f"{count} frames followed{note}", file=out)


def _line(timestamp: float, position: Position, times: np.ndarray) -> str:
    done = round(BAR * position.frame / max(1, len(times) - 1))
    state = "OFF SCRIPT" if position.off_script else printable(position.phase or "")
    return (
        f"{timestamp:7.2f} s  [{'#' * done:<{BAR}}] {times[position.frame]:.2f} of "
        f"{times[-1]:.2f} s  {position.confidence:4.0%} sure  {state}"
    ).rstrip()
