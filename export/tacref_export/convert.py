"""Exporting a run as an ONNX file, which is proven equal to torch before it is written."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tacref.encoder.frozen.reading import MAX_MODEL_BYTES
from tacref.encoder.frozen.weights_file import move_weights, path_of_weights, write_pieces
from tacref.files import check_new_file, files_together
from tacref.interrupts import lasting_interrupts
from tacref.memory import memory_errors
from tacref_export.writing import Export, Precision, write

if TYPE_CHECKING:
    import onnx

    from tacref.encoder.encoder import Encoder
    from tacref.encoder.frozen.model import BackboneFile
    from tacref_export.graph import Graph
    from tacref_export.proof import Parity, Video

MAX_WEIGHT_BYTES = MAX_MODEL_BYTES  # in one exported file


def export_encoder(
    run: str | Path,
    path: str | Path,
    *,
    precision: Precision = "float32",
    clips: Sequence[str | Path] = (),
    force: bool = False,
    progress: bool = False,
) -> Export:
    """Write the encoder of a run as one ONNX file, once it is proven equal to torch.

    Parameters
    ----------
    run : str or Path
        Folder of the run.
    path : str or Path
        The file to write, `*.onnx`. Its input `frames` is uint8 `(T, H, W, 3)` RGB or float32
        `(T, F)`, its output `embeddings` float32 `(T, d)`; T, H and W are free, and resizing,
        scaling and context gathering are inside. If one file cannot hold the weights of a frozen
        backbone, they are in another one next to it, called `path` plus `.data`.
    precision : {"float32", "float16", "int8"}
        Precision of the layers; inputs and outputs are the same in all three.
    clips : sequence of str or Path
        Clips for the proof, instead of the built-in activity. int8 needs at least two of one
        activity to measure its ranges and its loss in Kendall's tau.
    force : bool
        Whether to replace `path`, and the file with its weights, if they exist. If the new encoder
        fits one file, the weights of the replaced one are removed.
    progress : bool
        Show progress bars for steps that take longer than a few seconds (on a terminal only).

    Returns
    -------
    Export
        With the measured differences from torch, before and after onnxruntime's optimization, on
        decoded frames and on noise.

    Raises
    ------
    FileNotFoundError, ValueError
        If `run` is not the folder of a run, a clip is missing or does not fit the encoder, or
        `path` does not end in `.onnx` or exists, or weights that one file cannot hold are to be in
        another precision than float32.
    MemoryError
        If there is not enough memory.
    ParityError
        If a difference is above its limit (float32: 1e-5 in any coordinate; float16: a cosine
        below 0.999), or a resized picture differs from torch's in any byte; names the first layer
        that differs, and no file is written.
    """
    path = check_new_file(path)
    if path.suffix != ".onnx":
        raise ValueError(f"{path}: name of the file to write must end in .onnx")
    if path.exists() and not force:
        raise ValueError(f"{path}: exists already; force (--force) replaces it")
    if precision == "int8" and len(clips) < 2:
        raise ValueError(f"clips must be at least two for int8, got {len(clips)}")
    for clip in clips:
        if not Path(clip).exists():
            raise FileNotFoundError(f"{clip}: no such file or folder")
    replaces = path.exists()
    with memory_errors(f"the export of {run}"), ExitStack() as stack:
        with lasting_interrupts():
            encoder, folder = _open(Path(run), path, precision, stack, force=force)
            graph, videos, export = _convert(
                encoder, path, precision, clips, folder, progress=progress
            )
        with lasting_interrupts():
            write(graph, encoder, Path(run), export, videos[0], force=force)
    stale = path_of_weights(path)
    if replaces and export.weights is None and stale.is_file():
        stale.unlink()
    return export


def _open(
    run: Path, path: Path, precision: Precision, stack: ExitStack, *, force: bool
) -> "tuple[Encoder, Path | None]":
    """Return the encoder, and a temporary folder for its files if there must be two."""
    from tacref.encoder.storage import load_encoder

    encoder = load_encoder(run)
    if _fits_one_file(encoder, run, precision):
        return encoder, None
    weights = check_new_file(path_of_weights(path))
    if weights.exists() and not force:
        raise ValueError(f"{weights}: exists already; force (--force) replaces it")
    return encoder, stack.enter_context(files_together([weights, path], replace=force))


def _convert(
    encoder: "Encoder",
    path: Path,
    precision: Precision,
    clips: Sequence[str | Path],
    folder: Path | None,
    *,
    progress: bool,
) -> "tuple[Graph, list[Video], Export]":
    from tacref_export.graph import to_graph
    from tacref_export.int8 import quantize, tau_loss
    from tacref_export.proof import proof_videos

    videos = proof_videos(encoder, clips)
    graph = to_graph(encoder, "float16" if precision == "float16" else "float32")
    tau, weights = None, None
    if folder is not None:
        weights = path_of_weights(path)
        graph = _move_weights(graph, encoder, folder / weights.name)
    if precision == "int8":
        prove(encoder, graph, videos, "float32", path, progress=progress)
        float32_graph = graph
        graph = quantize(graph, encoder.config, clips, progress=progress)
        tau = tau_loss(float32_graph, graph, encoder.config, clips, progress=progress)
    parity = prove(encoder, graph, videos, precision, path, progress=progress)
    return graph, videos, Export(path, precision, tuple(parity), tau, weights)


def _fits_one_file(encoder: "Encoder", run: Path, precision: Precision) -> bool:
    """Return whether the weights fit one ONNX file, or refuse them if they fit no form."""
    file = _backbone_file(encoder)
    size = sum(value.numel() * value.element_size() for value in encoder.state_dict().values())
    size += 0 if file is None else file.size
    outside = file is not None and file.weights_outside
    if precision == "float16" and not outside:
        size //= 2
    if size <= MAX_WEIGHT_BYTES and not outside:  # int8 also begins with a float32 graph
        return True
    takes = (
        f"{run}: its weights take {size / 1e9:.1f} GB as an ONNX graph, which holds at most "
        f"{MAX_WEIGHT_BYTES / 1e9:.1f} GB"
    )
    if file is None:
        raise ValueError(takes)
    if precision != "float32":
        option = {"float16": "--fp16", "int8": "--int8"}[precision]
        raise ValueError(
            f"{takes}; with weights in another file it must be float32: leave out "
            f"precision={precision!r} ({option})"
        )
    return False


def _backbone_file(encoder: "Encoder") -> "BackboneFile | None":
    from tacref.encoder.frozen.modules import FrozenBackbone

    return encoder.backbone.file if isinstance(encoder.backbone, FrozenBackbone) else None


def _move_weights(graph: "Graph", encoder: "Encoder", weights: Path) -> "Graph":
    """Write the weights of a graph, and those of its backbone, to a file."""
    file = _backbone_file(encoder)
    assert file is not None
    pieces = move_weights(graph.model, file.path.parent, weights.name)
    with weights.open("wb") as opened:
        write_pieces(pieces, opened)
    return replace(graph, folder=weights.parent)


def prove(
    encoder: "Encoder",
    graph: "Graph",
    videos: "Sequence[Video]",
    precision: Precision,
    path: Path,
    *,
    progress: bool = False,
) -> "list[Parity]":
    """Measure the differences of a graph from torch, and raise if one is above its limit.

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
            _check(model, graph.folder)
            onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        parity = measure_parity(encoder, graph, videos, progress=progress)
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


def _check(model: "onnx.ModelProto", folder: Path | None) -> None:
    import onnx

    if folder is None:
        onnx.checker.check_model(model, full_check=True)
        return
    file = folder / "checked.onnx"  # next to its weights, in a folder that will not be kept
    file.write_bytes(model.SerializeToString())
    onnx.checker.check_model(str(file), full_check=True)


def _streaming_model(graph: "Graph") -> "onnx.ModelProto":
    import onnx

    return onnx.load_from_string(graph.model.SerializeToString() + graph.streaming)
