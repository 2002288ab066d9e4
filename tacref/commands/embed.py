"""`tacref embed`: frame embeddings of videos, from a run or from an ONNX file."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tacref.commands.guard import command
from tacref.commands.options import Parser, add_clips, add_device, add_encoder, add_json
from tacref.data.named import named_clips
from tacref.encoder.embedding import embed_clip
from tacref.encoder.embedding_files import is_whole, save_embeddings
from tacref.files import check_new_file
from tacref.terminal import printable
from tacref_export.opening import open_encoder


@command("embed")
def main(argv: Sequence[str] | None = None) -> int:
    """Write `NAME.npz` (embeddings, timestamps) for each clip; torchrun's processes share them."""
    parser = Parser(
        prog="tacref embed",
        description="Write the frame embeddings of videos. A clip that cannot be read is named, "
        "the others are embedded all the same, and the status is 2.",
    )
    add_encoder(parser)
    add_clips(parser)
    parser.add_argument(
        "-o", "--out", required=True, metavar="DIR", help="write NAME.npz into this folder"
    )
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="go on where it stopped: leave out clips whose file is there and whole",
    )
    add_device(parser)
    add_json(parser)
    options = parser.parse_args(argv)

    clips, _ = named_clips(options.clips, min_clips=1)
    targets = [Path(options.out) / f"{clip.stem}.npz" for clip in clips]
    originals = {clip.resolve() for clip in clips}
    for target, clip in zip(targets, clips, strict=True):
        check_new_file(target)
        if target.resolve() in originals:
            raise ValueError(
                f"{target}: is a clip, which its embeddings would replace; name another folder"
            )
        if targets.count(target) > 1:
            raise ValueError(f"{clip}: two clips would both be written to {target}")
    # Of several processes, torchrun's, each takes a share.
    share = slice(int(os.environ.get("RANK", 0)), None, int(os.environ.get("WORLD_SIZE", 1)))
    work = dict(zip(clips[share], targets[share], strict=True))
    done = {clip: target for clip, target in work.items() if target.exists()}
    if done and not options.skip_existing:
        target = next(iter(done.values()))
        raise ValueError(
            f"{target}: exists already; name another folder, remove it, or go on with "
            "--skip-existing"
        )
    encoder = open_encoder(options.encoder, device=options.device)
    damaged = {clip for clip, target in done.items() if not is_whole(target, encoder.config.dim)}
    done = {clip: target for clip, target in done.items() if clip not in damaged}
    embedded, failed = [], []
    for clip, target in work.items():
        if clip in done:
            _say(options, f"{target}: is there, skipped")
            continue
        try:
            embeddings, timestamps = embed_clip(encoder, clip, progress=True)
        except (ValueError, OSError) as error:
            failed.append({"clip": str(clip), "error": str(error)})
            print(f"tacref embed: {printable(str(error))}", file=sys.stderr)
            continue
        save_embeddings(target, embeddings, timestamps, replace=clip in damaged)
        embedded.append({"clip": str(clip), "file": str(target), "shape": list(embeddings.shape)})
        _say(options, f"{target}: {len(embeddings)} frames, {embeddings.shape[1]} dimensions")
    if options.json:
        skipped = [{"clip": str(clip), "file": str(target)} for clip, target in done.items()]
        print(json.dumps({"embedded": embedded, "skipped": skipped, "failed": failed}))
    if failed and len(work) > 1:
        print(f"tacref embed: {len(failed)} of {len(work)} clips failed", file=sys.stderr)
    return 2 if _any_failed(bool(failed)) else 0


def _say(options: Namespace, line: str) -> None:
    if not options.json:
        print(printable(line))


def _any_failed(failed: bool) -> bool:
    """Wait for torchrun's other processes, which it would end when the first one fails."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return failed
    from tacref.training.distributed import Ranks, process_group

    ranks = Ranks.from_environment()
    with process_group(ranks, "cpu"):
        return any(ranks.gather(failed))
