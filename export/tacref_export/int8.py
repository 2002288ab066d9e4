"""Eight-bit integers: ranges measured on clips, and what they cost in Kendall's tau."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from tacref.data import iter_frames
from tacref.data.resize import resize
from tacref.encoder.config import EncoderConfig
from tacref.encoder.frames import FrameError
from tacref.evaluation import kendall_tau
from tacref_export.binding import ArrayRunner
from tacref_export.graph import Graph
from tacref_export.metadata import INPUT, NEXT_CONTEXT, OUTPUT, context_rows
from tacref_export.proof import open_graph
from tacref_export.streaming import EncoderStream, embed_stream

# The layers that take the time. Resizing, scaling and the unit norm stay in float32.
_LAYERS = ["Conv", "Gemm"]
_CHUNK = 16  # frames at a time beyond the context
MAX_CHUNKS = 32


@dataclass(frozen=True)
class TauLoss:
    """Kendall's tau over the given clips, as float32 and as int8."""

    float32: float
    int8: float
    clips: int

    @property
    def loss(self) -> float:
        """By how much int8 is lower."""
        return self.float32 - self.int8

    def __str__(self) -> str:
        """Return one line."""
        return (
            f"tau {self.float32:.3f} as float32, {self.int8:.3f} as int8 on {self.clips} clips "
            f"(loss {self.loss:+.4f})"
        )


def quantize(graph: Graph, config: EncoderConfig, clips: Sequence[str | Path]) -> Graph:
    """Quantize the layers of a float32 graph to int8, weights per channel.

    Parameters
    ----------
    graph : Graph
        In float32.
    config : EncoderConfig
        The encoder's.
    clips : sequence of str or Path
        Clips whose frames give the ranges of the layers' outputs.

    Returns
    -------
    Graph
        The same inputs and outputs.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it advises steps that the exporter took already
    try:
        with TemporaryDirectory() as folder:
            source, path = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
            onnx.save_model(_store_weights(graph.model), source)
            quantize_static(
                str(source),
                str(path),
                _Reader(config, clips),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_LAYERS,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                # Without the instructions of newer CPUs, sums of two products of eight and eight
                # bits overflow; seven bits do not.
                reduce_range=True,
                extra_options={"QuantizeBias": True},
            )
            model = onnx.load(path)
    finally:
        logger.setLevel(level)
    computed = {name for node in model.graph.node for name in node.output}
    layers = {layer: name for layer, name in graph.layers.items() if name in computed}
    return replace(graph, model=model, layers=layers)


def tau_loss(
    float32: Graph, int8: Graph, config: EncoderConfig, clips: Sequence[str | Path]
) -> TauLoss:
    """Measure Kendall's tau over all ordered pairs of clips with both graphs, stride 1."""
    taus = []
    for graph in (float32, int8):
        runner = ArrayRunner(open_graph(graph.model.SerializeToString() + graph.streaming))
        rows = []
        for clip in clips:  # in chunks, as a session embeds it: clips may be long
            frames = (frame for frame, _ in iter_frames(clip))
            chunks = embed_stream(EncoderStream(runner, config), frames, None)
            try:
                rows.append(np.concatenate(list(chunks)))
            except FrameError as error:
                raise ValueError(f"{clip}: {error}") from None
        taus.append(kendall_tau(rows))
    return TauLoss(float32=taus[0], int8=taus[1], clips=len(clips))


def _store_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store each layer's weights as such: those cut from others would stay in float32.

    The context head's 2-D convolutions take their weights from 3-D ones, in the graph.
    """
    stored = onnx.ModelProto()
    stored.CopyFrom(model)
    graph = stored.graph
    names = {node.input[1] for node in graph.node if node.op_type in _LAYERS}
    cut = sorted(names - {tensor.name for tensor in graph.initializer})
    if not cut:
        return stored
    cutting = onnx.utils.Extractor(model).extract_model([], cut)
    values = open_graph(cutting.SerializeToString()).run(cut, {})
    needed, nodes = {OUTPUT, NEXT_CONTEXT}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output) and not set(cut).intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    weights += map(onnx.numpy_helper.from_array, values, cut)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(nodes))
    graph.initializer.extend(weights)
    return stored


class _Reader:
    """Chunks of the clips' frames, in the form onnxruntime asks for."""

    def __init__(self, config: EncoderConfig, clips: Sequence[str | Path]) -> None:
        self._chunks = self._read(config, clips)

    def _read(self, config: EncoderConfig, clips: Sequence[str | Path]) -> Iterator[np.ndarray]:
        each = max(1, MAX_CHUNKS // len(clips))
        size = context_rows(config.offsets) + _CHUNK
        for clip in clips:
            held: list[np.ndarray] = []
            given = 0
            for frame, _ in iter_frames(clip):
                # As the graph resizes it, to the byte; a chunk of large pictures is small.
                held.append(resize(frame, config.size) if config.takes_pictures else frame)
                if len(held) == size:
                    yield np.stack(held)
                    held, given = [], given + 1
                    if given == each:
                        break
            if held and given < each:
                yield np.stack(held)

    def get_next(self) -> dict[str, np.ndarray] | None:
        chunk = next(self._chunks, None)
        return None if chunk is None else {INPUT: chunk}

    def __len__(self) -> int:
        return MAX_CHUNKS
