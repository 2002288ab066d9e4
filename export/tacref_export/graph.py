"""Converting an encoder to an ONNX graph, from decoded frames to unit vectors."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
import torch
from onnxscript import opset18 as opset
from torch import Tensor, nn

from tacref.encoder.encoder import Encoder
from tacref.encoder.frozen.modules import FrozenBackbone
from tacref.encoder.preprocess import Standardize, true_along
from tacref_export.backbone import insert_backbone, opset_of, place_of_backbone
from tacref_export.metadata import CONTEXT, INPUT, NEXT_CONTEXT, OUTPUT, context_rows

OPSET = 18
IR_VERSION = 8  # goes with that opset, so that older runtimes read the file
Precision = Literal["float32", "float16"]


@dataclass(frozen=True)
class Graph:
    """An encoder as ONNX.

    Parameters
    ----------
    model : onnx.ModelProto
        `frames` in, `embeddings` out.
    streaming : bytes
        Bytes that, appended to the serialized model, make its streaming form, which also takes
        `context` and returns `next_context`: protobuf concatenates the lists of two messages.
    layers : dict of str to str
        Name of each module to the ONNX value that it computes, in order of computation; without the
        values that optimization removed.
    folder : Path, optional
        Folder of the file with the weights that are not in `model`.
    """

    model: onnx.ModelProto
    streaming: bytes
    layers: dict[str, str]
    folder: Path | None = None


def to_graph(encoder: Encoder, precision: Precision = "float32") -> Graph:
    """Trace an encoder.

    Parameters
    ----------
    encoder : Encoder
        In evaluation mode, on the CPU. Not modified.
    precision : {"float32", "float16"}
        Precision of weights and features; resizing, scaling and norms stay in float32.

    Returns
    -------
    Graph
        With T, H and W free.
    """
    frozen = encoder.backbone if isinstance(encoder.backbone, FrozenBackbone) else None
    file = None if frozen is None else frozen.file
    opset_version = OPSET if file is None else max(OPSET, opset_of(file))
    model, layers = _trace(encoder, precision, opset_version)
    if frozen is not None and file is not None:
        insert_backbone(model, file, frozen.config.output, to_float16=precision == "float16")
    _name_rows(model)
    return Graph(model, _split_streaming(model), layers)


def _trace(
    encoder: Encoder, precision: Precision, opset_version: int
) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Return the streaming form and its layers, with a node in the place of a frozen backbone."""
    traced = _Streaming(_to_float16(encoder) if precision == "float16" else encoder).eval()
    with _quiet_exporter(), torch.no_grad():
        frames = _example(encoder)
        context = traced.features(frames[:1]).repeat_interleave(traced.context_rows, 0)
        picture = {1: "H", 2: "W"} if encoder.config.takes_pictures else {}
        program = torch.onnx.export(
            traced,
            (frames, context),
            dynamo=True,
            opset_version=opset_version,
            input_names=[INPUT, CONTEXT],
            output_names=[OUTPUT, NEXT_CONTEXT],
            dynamic_shapes=({0: "T", **picture}, {0: "C"}),
            custom_translation_table={
                torch.ops.aten.floor_divide.default: _divide,
                torch.ops.tacref.backbone.default: place_of_backbone,
            },
            verbose=False,
        )
    assert program is not None
    assert program.exported_program is not None
    model = program.model_proto
    model.ir_version = IR_VERSION
    return model, _layers(program.exported_program.graph, model)


class _Streaming(nn.Module):
    """The encoder on frames that follow others, with the features of those as context."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        offsets = encoder.config.offsets
        self.after = max(0, offsets[-1])
        self.context_rows = context_rows(offsets)

    def features(self, frames: Tensor) -> Tensor:
        """Map frames `(T, ...)` to what the head takes, `(T, width, ...)`."""
        pixels = self.encoder.preprocess(frames)
        dtype = next(self.encoder.head.parameters()).dtype
        if isinstance(self.encoder.backbone, FrozenBackbone):  # its own graph converts them
            return self.encoder.backbone(pixels)
        return self.encoder.backbone(pixels.to(dtype))

    def forward(self, frames: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Embed the frames that had no full context before; also return the next context."""
        features = torch.cat([context, self.features(frames)])
        before = context.shape[0]
        positions = true_along(features.flatten(1)[:, 0]).to(torch.int64).cumsum(0) - 1
        last = positions[-1]
        if self.after:
            # Earlier frames, except the last `after`, had their full context already.
            late = positions[:before][-self.after :]
            positions = torch.cat([late, positions[before:]])
        else:
            positions = positions[before:]
        windows = (positions[:, None] + self.encoder.offsets).clamp(min=0)
        windows = torch.minimum(windows, last)
        embeddings = self.encoder.head(features, windows, whole_video=True)
        embeddings = embeddings.to(torch.float32)
        # Tracing assumes `before` >= 2, but it may be 0: row counts computed from it may be wrong,
        # and functional.normalize would use one.
        norms = embeddings.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        return embeddings / norms, features[-self.context_rows :]


class _Float32Norm(nn.Module):
    """A norm among float16 layers, in float32, as its sums of squares overflow float16."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.to(torch.float32)).to(x.dtype)


def _to_float16(encoder: Encoder) -> Encoder:
    half = copy.deepcopy(encoder)
    half.backbone.half()
    half.head.half()
    for module in half.modules():
        if isinstance(module, FrozenBackbone | Standardize):  # averages and statistics
            module.float()
    for module in list(half.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.GroupNorm):
                setattr(module, name, _Float32Norm(child.float()))
    return half


def _divide(dividend: Any, divisor: Any) -> Any:
    # No integer divided here is negative. The exporter's own translation takes eight more
    # operators, and goes through float32 in older versions.
    return opset.Div(dividend, divisor)


def _example(encoder: Encoder) -> Tensor:
    config = encoder.config
    length = context_rows(config.offsets) + 5
    if config.takes_pictures:
        return torch.zeros((length, 48, 40, 3), dtype=torch.uint8)
    return torch.zeros((length, config.channels))


def _layers(graph: torch.fx.Graph, model: onnx.ModelProto) -> dict[str, str]:
    computed = {name for node in model.graph.node for name in node.output}
    last: dict[str, str] = {}
    for node in graph.nodes:
        for path, _ in (node.meta.get("nn_module_stack") or {}).values():
            last.pop(path, None)  # the last node of a module decides its position
            last[path] = node.name
    # A module and its last submodule compute the same value: the inner one is the layer.
    inner: dict[str, str] = {}
    for path, name in last.items():
        if path.startswith("encoder.") and name in computed:
            inner[name] = max(inner.get(name, ""), path, key=len)
    return {path.removeprefix("encoder."): name for name, path in inner.items()}


def _name_rows(model: onnx.ModelProto) -> None:
    """Name the free axes of the outputs, for which the exporter writes expressions."""
    for output, rows in zip(model.graph.output, ("T", "K"), strict=True):
        output.type.tensor_type.shape.dim[0].dim_param = rows


def _split_streaming(model: onnx.ModelProto) -> bytes:
    """Remove the context from inputs and outputs: without it, `frames` is a whole video."""
    _, context = model.graph.input
    _, next_context = model.graph.output
    tensor = context.type.tensor_type
    shape = [0, *(dim.dim_value for dim in tensor.shape.dim[1:])]
    empty = onnx.TensorProto(name=CONTEXT, data_type=tensor.elem_type, dims=shape)
    empty.raw_data = b""
    model.graph.initializer.append(empty)
    streaming = onnx.ModelProto()
    streaming.graph.input.append(context)
    streaming.graph.output.append(next_context)
    del model.graph.input[1], model.graph.output[1]
    return bytes(streaming.SerializeToString())


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    # torch's exporter logs that torchvision is missing, and warns about its own deprecations.
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
