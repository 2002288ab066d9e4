"""`tacref align`: align videos with a reference; write the report and the alignments."""

import json
from collections.abc import Sequence
from pathlib import Path

from tacref.alignment.deviations import DEFAULT_THRESHOLD
from tacref.alignment.label_files import CLIP_FORMATS
from tacref.commands.guard import command
from tacref.commands.matching import add_matching, in_words_of_options, read_matching
from tacref.commands.options import (
    Parser,
    add_clips,
    add_device,
    add_encoder,
    add_json,
    positive_float,
    positive_int,
)
from tacref.data.named import clip_names, named_clips
from tacref.files import new_folder
from tacref.report.part_results import PartResults
from tacref.report.parts import align_part, check_part
from tacref.report.results import Results
from tacref.report.videos import Request, align_videos
from tacref.terminal import printable
from tacref_export.opening import open_encoder

DEVIATION_STATUS = 3


@command("align")
def main(argv: Sequence[str] | None = None) -> int:
    """Align clips with a reference and write what came out into a new folder."""
    parser = Parser(
        prog="tacref align",
        description="Align videos in time with a reference: the first one named, or of a folder "
        "the one that fits the others best.",
    )
    add_clips(parser)
    add_encoder(parser, "--encoder")
    parser.add_argument(
        "-o", "--out", required=True, metavar="DIR", help="write into this new folder"
    )
    add_matching(parser)
    parser.add_argument(
        "--phases",
        metavar="FILE",
        help="read labels from this file, and give them to the clips that it lacks: .csv; or .vtt "
        "(WebVTT), .txt or .tsv (ELAN) of the clip that is called like it, else of the reference",
    )
    parser.add_argument(
        "--phases-as",
        action="append",
        choices=list(CLIP_FORMATS),
        default=[],
        help="write labels also as WebVTT or ELAN's text, a file for each clip; may be repeated",
    )
    parser.add_argument(
        "--part",
        nargs="?",
        const=1,
        type=positive_int,
        metavar="K",
        help="find the first of two clips in the second, a longer one, at K places that do not "
        "overlap (without K: at one); name the clips before it",
    )
    parser.add_argument("--video", action="store_true", help="write aligned.mp4, all side by side")
    parser.add_argument(
        "--deviations",
        action="store_true",
        help="find where a clip stands out against the others at the same place; needs 6 clips",
    )
    parser.add_argument(
        "--deviation-threshold",
        type=positive_float,
        metavar="Z",
        help="take what is more than Z robust standard deviations above the others for a deviation "
        f"(default: {DEFAULT_THRESHOLD:g})",
    )
    parser.add_argument(
        "--fail-on-deviation",
        action="store_true",
        help="end with status 3 if there are deviations, after all is written",
    )
    parser.add_argument(
        "--barycenter", action="store_true", help="align with the clips' soft-DTW barycenter"
    )
    add_device(parser)
    add_json(parser)
    options = parser.parse_args(argv)

    for option in ("deviation_threshold", "fail_on_deviation"):
        if getattr(options, option) and not options.deviations:
            raise ValueError(f"--{option.replace('_', '-')} needs --deviations")
    threshold = options.deviation_threshold or DEFAULT_THRESHOLD
    paths, grouped = named_clips(options.clips)
    request = Request(
        clips=dict(zip(clip_names(paths), paths, strict=True)),
        encoder=options.encoder,
        choose=grouped or options.barycenter,
        barycenter=options.barycenter,
        matching=read_matching(options),
        phases=options.phases,
        phases_as=options.phases_as,
        video=options.video,
        part=options.part,
        deviation_threshold=threshold if options.deviations else None,
    )
    if options.part is None:
        request.check()
    else:
        check_part(request, grouped=grouped)
    out = Path(options.out)
    with new_folder(out) as folder:  # before the work, so that nobody else begins the same
        encoder = open_encoder(options.encoder, device=options.device)
        work = align_videos if options.part is None else align_part
        try:
            results: Results | PartResults = work(encoder, request, folder, final_folder=out)
        except ValueError as error:
            raise in_words_of_options(error) from None
    written = {"alignment": str(out / "alignment.json"), "report": str(out / "report.html")}
    if options.part is not None:
        written["table"] = str(out / "matches.csv")
    if options.json:
        print(json.dumps(results.to_json() | written))
    else:
        print(*results.lines(), f"report: {printable(written['report'])}", sep="\n")
    deviates = isinstance(results, Results) and results.deviates
    return DEVIATION_STATUS if options.fail_on_deviation and deviates else 0
