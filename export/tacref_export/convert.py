"""From a run to one ONNX file that is proven equal to torch before it appears."""

import base64
import dataclasses
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tacref.commands import Parser, command
from tacref.files import check_new_file, replacing

if TYPE_CHECKING:
    import onnx

    from tacref.encoder.config import EncoderConfig
    from tacref.encoder.encoder import Encoder
    from tacref_export.graph import Graph
    from tacref_export.int8 import TauLoss
    from tacref_export.proof import Parity, Video

Precision = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Export:
    """What was written.

    Parameters
    ----------
    path : Path
        The file.
    precision : {"float32", "float16", "int8"}
        Of its layers.
    parity : tuple of Parity
        The difference from torch on each video that was tried.
    tau : TauLoss, optional
        Of int8.
    """

    path: Path
    precision: Precision
    parity: "tuple[Parity, ...]"
    tau: "TauLoss | None" = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "file": str(self.path),
            "bytes": self.path.stat().st_size,
            "precision": self.precision,
            "parity": [dataclasses.asdict(each) for each in self.parity],
            **({"tau": dataclasses.asdict(self.tau)} if self.tau else {}),
        }


def export_encoder(
    run: str | Path,
    path: str | Path,
    *,
    precision: Precision = "float32",
    clips: Sequence[str | Path] = (),
) -> Export:
    """Write a run's encoder as one ONNX file, once it is proven equal to torch.

    Parameters
    ----------
    run : str or Path
        A run's folder.
    path : str or Path
        The file to write, `*.onnx`; replaced if it exists. Its input `frames` is uint8
        `(T, H, W, 3)` RGB or float32 `(T, F)`, its output `embeddings` float32 `(T, d)`; T, H and
        W are free, and resizing, scaling and context gathering are inside.
    precision : {"float32", "float16", "int8"}
        Of the layers; inputs and outputs are the same in all three.
    clips : sequence of str or Path
        Clips to prove it on, instead of the built-in activity. int8 needs at least two of one
        activity: its ranges and its loss in Kendall's tau are measured on them.

    Returns
    -------
    Export
        With what was measured: from torch, before and after onnxruntime's optimization, on
        decoded frames and on noise.

    Raises
    ------
    FileNotFoundError, ValueError
        If `run` is not a run's folder, a clip is missing or not what the encoder takes, or `path`
        does not end in `.onnx`.
    ParityError
        If a difference is above its limit (float32: 1e-5 in any coordinate; float16: a cosine
        below 0.999), or a resized picture is not torch's to the byte; names the first layer that
        differs, and no file appears.
    """
    path = check_new_file(path)
    if path.suffix != ".onnx":
        raise ValueError(f"{path}: name of the file to write must end in .onnx")
    if precision == "int8" and len(clips) < 2:
        raise ValueError(f"clips must be at least two for int8, got {len(clips)}")
    for clip in clips:
        if not Path(clip).exists():
            raise FileNotFoundError(f"{clip}: no such file or folder")
    from tacref.encoder.storage import load_encoder
    from tacref_export.graph import to_graph
    from tacref_export.int8 import quantize, tau_loss
    from tacref_export.proof import proof_videos

    encoder = load_encoder(run)
    videos = proof_videos(encoder, clips)
    graph = to_graph(encoder, "float16" if precision == "float16" else "float32")
    tau = None
    if precision == "int8":
        prove(encoder, graph, videos, "float32", path)
        whole, graph = graph, quantize(graph, encoder.config, clips)
        tau = tau_loss(whole, graph, encoder.config, clips)
    parity = prove(encoder, graph, videos, precision, path)
    made = Export(path, precision, tuple(parity), tau)
    write(graph, encoder, Path(run), made, videos[0])
    return made


def prove(
    encoder: "Encoder", graph: "Graph", videos: "Sequence[Video]", precision: Precision, path: Path
) -> "list[Parity]":
    """Measure a graph's differences from torch, and raise where one is above its limit.

    Raises
    ------
    ParityError
        Names the video, the difference and the first layer that differs.
    """
    import onnx

    from tacref_export.layers import check_pixels, first_difference
    from tacref_export.proof import ParityError, measure_parity

    try:
        for model in (graph.model, _streaming_model(graph)):
            onnx.checker.check_model(model, full_check=True)
            onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        parity = measure_parity(encoder, graph, videos)
        check_pixels(encoder, graph, videos)
    except (
        ParityError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
    ) as error:
        raise ParityError(f"{path}: not written; {error}") from None
    for video, each in zip(videos, parity, strict=True):
        if not each.within(precision):
            raise ParityError(
                f"{path}: not written; as {precision} it differs from torch on {each} (smallest "
                f"cosine {each.min_cosine:.5f}, chunks from the whole {each.streaming:.1e}), "
                f"{first_difference(encoder, graph, video.frames, precision)}"
            )
    return parity


def write(graph: "Graph", encoder: "Encoder", run: Path, made: Export, video: "Video") -> None:
    """Write the file with all that it says about itself, and open it as a user would."""
    from tacref_export.metadata import HASH, content_hash
    from tacref_export.proof import ParityError
    from tacref_export.session import EncoderSession

    _describe(graph, encoder.config, run, made)
    _annotate(graph.model, HASH, "")
    graph.model.metadata_props[-1].value = content_hash(graph.model.SerializeToString())
    with replacing(made.path) as temporary:
        temporary.write_bytes(graph.model.SerializeToString())
        with EncoderSession(temporary) as session:
            rows = session.embed(video.frames)
        expected = encoder.embed(video.frames)
        if not np.abs(rows - expected).max() <= max(each.max_abs for each in made.parity) + 1e-6:
            raise ParityError(f"{made.path}: not written; read back it computes something else")


def _streaming_model(graph: "Graph") -> "onnx.ModelProto":
    import onnx

    return onnx.load_from_string(graph.model.SerializeToString() + graph.streaming)


def _describe(graph: "Graph", config: "EncoderConfig", run: Path, made: Export) -> None:
    import onnxruntime
    import torch

    import tacref
    from tacref.encoder.storage import WEIGHTS
    from tacref_export.metadata import FORMAT

    model = graph.model
    model.producer_name, model.producer_version = "tacref", tacref.__version__
    for part in (*model.graph.node, *model.graph.value_info):
        del part.metadata_props[:]  # the exporter notes the source files of this machine
    if config.takes_pictures:
        preprocessing = (
            f"uint8 RGB; resized to {config.size}x{config.size} bytes by antialiased linear "
            "interpolation (triangle filter in integers, rows first), aspect ratio not kept; /255; "
            "ImageNet mean and deviation"
        )
    else:
        preprocessing = "float32 features; mean and deviation of the training set"
    for key, value in {
        "format": FORMAT,
        "version": tacref.__version__,
        "encoder": json.dumps(config.to_json()),
        "precision": made.precision,
        "preprocessing": preprocessing + " (all inside the graph)",
        "parity": json.dumps([dataclasses.asdict(each) for each in made.parity]),
        **({"tau": json.dumps(dataclasses.asdict(made.tau))} if made.tau else {}),
        "weights_sha256": hashlib.sha256((run / WEIGHTS).read_bytes()).hexdigest(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "streaming": base64.b64encode(graph.streaming).decode(),
    }.items():
        _annotate(model, key, value)


def _annotate(model: "onnx.ModelProto", key: str, value: str) -> None:
    from tacref_export.metadata import PREFIX

    entry = model.metadata_props.add()
    entry.key, entry.value = PREFIX + key, value


@command("export")
def main(argv: Sequence[str] | None = None) -> int:
    """Export a run; status 1 if the file would differ from torch."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["inspect"]:
        from tacref_export.inspection import main as inspect

        return inspect(arguments[1:])
    parser = Parser(
        prog="tacref export",
        description="Write a run's encoder as one ONNX file, once it is proven equal to torch.",
        epilog="tacref export inspect FILE.onnx says what such a file is.",
    )
    parser.add_argument("run", help="a run's folder")
    parser.add_argument("-o", "--out", required=True, metavar="FILE.onnx", help="file to write")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--fp16", action="store_true", help="layers in float16")
    form.add_argument("--int8", action="store_true", help="layers in int8; needs --clips")
    parser.add_argument(
        "--clips",
        nargs="+",
        default=[],
        metavar="CLIP",
        help="videos to prove it on, and to calibrate int8 (default: the built-in activity)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    precision: Precision = "float16" if options.fp16 else "int8" if options.int8 else "float32"
    if options.int8 and len(options.clips) < 2:
        raise ValueError("--int8 needs --clips with at least two videos of one activity")
    from tacref_export.proof import ParityError

    try:
        made = export_encoder(options.run, options.out, precision=precision, clips=options.clips)
    except ParityError as error:
        print(f"tacref export: {error}", file=sys.stderr)
        return 1
    report = made.to_json()
    if options.json:
        print(json.dumps(report))
        return 0
    print(f"{options.out}: {precision}, {report['bytes'] / 1e6:.1f} MB; difference from torch")
    print("\n".join(f"  {each}" for each in made.parity))
    cosine = min(each.min_cosine for each in made.parity)
    streaming = max(each.streaming for each in made.parity)
    print(f"  smallest cosine {cosine:.6f}; chunks from the whole {streaming:.1e}")
    if made.tau:
        print(f"  {made.tau}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
