"""`python -m tacref.align`: align two videos; write alignment.json and report.html."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tacref.alignment import align
from tacref.alignment.report import write_report
from tacref.commands import Parser, command
from tacref.data import iter_frames
from tacref.embed import embed_clip, open_encoder
from tacref.files import check_new_folder, new_folder

FORMAT = 1


@command("align")
def main(argv: Sequence[str] | None = None) -> int:
    """Align two clips and write what came out into a new folder."""
    parser = Parser(prog="tacref align", description="Align two videos in time.")
    parser.add_argument("a", metavar="A", help="video, folder of frames or .npy")
    parser.add_argument("b", metavar="B", help="the other one")
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
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)

    clips = [Path(options.a), Path(options.b)]
    for clip in clips:
        if not clip.exists():
            raise FileNotFoundError(f"{clip}: no such file or folder")
    check_new_folder(options.out)
    encoder = open_encoder(options.encoder, device=options.device)
    (x, times_x), (y, times_y) = (embed_clip(encoder, clip, progress=True) for clip in clips)
    alignment = align(x, y, times_x=times_x, times_y=times_y, band=options.band, progress=True)
    names = [clip.resolve().name for clip in clips]
    with new_folder(options.out) as folder:
        record = {
            "format": FORMAT,
            "name_x": names[0],
            "name_y": names[1],
            "encoder": options.encoder,
            "band": options.band,
            **alignment.to_json(),
        }
        (folder / "alignment.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
        pictures = [(frame for frame, _ in iter_frames(clip)) for clip in clips]
        write_report(
            folder / "report.html",
            alignment,
            *pictures,
            name_x=names[0],
            name_y=names[1],
            encoder=options.encoder,
        )
    report = Path(options.out) / "report.html"
    if options.json:
        summary = {
            "cost": alignment.cost,
            "mean_cost": alignment.mean_cost,
            "steps": len(alignment.path),
            "alignment": str(Path(options.out) / "alignment.json"),
            "report": str(report),
        }
        print(json.dumps(summary))
    else:
        print(
            f"{names[0]} ({len(x)} frames) and {names[1]} ({len(y)} frames): cost "
            f"{alignment.cost:.4g}, mean {alignment.mean_cost:.4g} in {len(alignment.path)} steps"
        )
        print(f"report: {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
