"""Quantization to int8: ranges measured on clips, and the loss in Kendall's tau."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from tacref.data import iter_frames
from tacref.encoder.config import EncoderConfig
from tacref.encoder.frames import FrameError
from tacref.evaluation import kendall_tau
from tacref.kernels.resize import resize
from tacref.runtime import onnxruntime
from tacref.terminal import progress_bar
from tacref_export.binding import ArrayRunner
from tacref_export.graph import Graph
from tacref_export.metadata import INPUT, NEXT_CONTEXT, OUTPUT, context_rows
from tacref_export.proof import open_graph
from tacref_export.streaming import EncoderStream, embed_stream

# The operators that take most of the time. Resizing, scaling and the unit norm stay in float32.
_QUANTIZED_OPERATORS = ["Conv", "Gemm"]
_FRAMES_PER_CHUNK = 16  # in addition to the context
MAX_CHUNKS = 32


@dataclass(frozen=True)
class TauLoss:
    """Kendall's tau over some clips, in float32 and in int8."""

    float32: float
    int8: float
    clips: int

    @property
    def loss(self) -> float:
        """How much lower tau is in int8."""
        return self.float32 - self.int8

    def __str__(self) -> str:
        """Return one line."""
        return (
            f"tau {self.float32:.3f} as float32, {self.int8:.3f} as int8 on {self.clips} clips "
            f"(loss {self.loss:+.4f})"
        )


def quantize(
    graph: Graph, config: EncoderConfig, clips: Sequence[str | Path], *, progress: bool = False
) -> Graph:
    """Quantize the layers of a float32 graph to int8, weights per channel.

    Parameters
    ----------
    graph : Graph
        A float32 graph.
    config : EncoderConfig
        Configuration of the encoder.
    clips : sequence of str or Path
        Clips to measure the ranges of layer outputs on.
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only).

    Returns
    -------
    Graph
        With the same inputs and outputs.
    """
    onnxruntime()  # before anything else imports it
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it recommends steps that the exporter has done
    try:
        with TemporaryDirectory() as folder:
            source, path = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
            onnx.save_model(_store_weights(graph.model), source)
            quantize_static(
                str(source),
                str(path),
                _CalibrationReader(config, clips, progress=progress),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_QUANTIZED_OPERATORS,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                # Without the instructions of newer CPUs, sums of two products of 8-bit numbers
                # overflow; those with 7-bit weights do not.
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
    float32: Graph,
    int8: Graph,
    config: EncoderConfig,
    clips: Sequence[str | Path],
    *,
    progress: bool = False,
) -> TauLoss:
    """Measure Kendall's tau over all ordered pairs of clips with both graphs, stride 1."""
    taus = []
    for graph, title in ((float32, "tau of float32"), (int8, "tau of int8")):
        runner = ArrayRunner(open_graph(graph.model.SerializeToString() + graph.streaming))
        rows = []
        bar = progress_bar(clips, title, len(clips), "clips", enabled=progress)
        for clip in bar:  # in chunks, as a session embeds long clips
            frames = (frame for frame, _ in iter_frames(clip))
            chunks = embed_stream(EncoderStream(runner, config), frames, None)
            try:
                rows.append(np.concatenate(list(chunks)))
            except FrameError as error:
                raise ValueError(f"{clip}: {error}") from None
        taus.append(kendall_tau(rows))
    return TauLoss(float32=taus[0], int8=taus[1], clips=len(clips))


def _store_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store the weights that the graph slices from others, which would stay in float32.

    The 2-D convolutions of the context head slice their weights from 3-D ones.
    """
    stored = onnx.ModelProto()
    stored.CopyFrom(model)
    graph = stored.graph
    names = {node.input[1] for node in graph.node if node.op_type in _QUANTIZED_OPERATORS}
    sliced = sorted(names - {tensor.name for tensor in graph.initializer})
    if not sliced:
        return stored
    slicing = onnx.utils.Extractor(model).extract_model([], sliced)
    values = open_graph(slicing.SerializeToString()).run(sliced, {})
    needed, nodes = {OUTPUT, NEXT_CONTEXT}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output) and not set(sliced).intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    weights += map(onnx.numpy_helper.from_array, values, sliced)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(nodes))
    graph.initializer.extend(weights)
    return stored


class _CalibrationReader:
    """Chunks of the frames of clips, for onnxruntime's calibration."""

    def __init__(
        self, config: EncoderConfig, clips: Sequence[str | Path], *, progress: bool = False
    ) -> None:
        self._chunks = self._read(config, clips, progress=progress)

    def _read(
        self, config: EncoderConfig, clips: Sequence[str | Path], *, progress: bool
    ) -> Iterator[np.ndarray]:
        chunks_per_clip = max(1, MAX_CHUNKS // len(clips))
        size = context_rows(config.offsets) + _FRAMES_PER_CHUNK
        for clip in progress_bar(clips, "calibrate", len(clips), "clips", enabled=progress):
            chunk: list[np.ndarray] = []
            yielded = 0
            for frame, _ in iter_frames(clip):
                # Resized as in the graph, to the byte, so that a chunk of large pictures is small.
                chunk.append(resize(frame, config.size) if config.takes_pictures else frame)
                if len(chunk) == size:
                    yield np.stack(chunk)
                    chunk, yielded = [], yielded + 1
                    if yielded == chunks_per_clip:
                        break
            if chunk and yielded < chunks_per_clip:
                yield np.stack(chunk)

    def get_next(self) -> dict[str, np.ndarray] | None:
        chunk = next(self._chunks, None)
        return None if chunk is None else {INPUT: chunk}

    def __len__(self) -> int:
        return MAX_CHUNKS
