"""Where a graph differs from torch: in its pixels, or the first layer with another output."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch

from tacref.encoder.encoder import Encoder
from tacref_export.graph import Graph
from tacref_export.metadata import INPUT
from tacref_export.proof import ParityError, Video, open_graph

# Relative to the largest value of a layer: rounding is smaller, a fault is larger.
TOLERANCE = {"float32": 1e-4, "float16": 2e-2, "int8": 0.5}

# Of standardized pixels, for which one level of a byte is 0.017 or more.
MAX_PIXEL_DIFFERENCE = 1e-5


def check_pixels(encoder: Encoder, graph: Graph, videos: Sequence[Video]) -> None:
    """Check that a graph resizes pictures to the same bytes as torch.

    Raises
    ------
    ParityError
        Names the video and the largest difference of a pixel.
    """
    if not encoder.config.takes_pictures:
        return
    name = graph.layers["preprocess"]
    model = onnx.utils.Extractor(graph.model).extract_model([INPUT], [name])
    session = open_graph(model.SerializeToString(), graph.folder)
    for video in videos:
        (pixels,) = session.run([name], {INPUT: video.frames})
        with torch.inference_mode():
            expected = encoder.preprocess(torch.from_numpy(video.frames)).numpy()
        difference = float(np.abs(pixels - expected).max())
        if not difference <= MAX_PIXEL_DIFFERENCE:
            raise ParityError(
                f"its pixels differ from torch's on frames of shape {video.frames.shape} "
                f"({video.kind}) by {difference:.1e}, first at layer preprocess"
            )


def first_difference(encoder: Encoder, graph: Graph, frames: np.ndarray, precision: str) -> str:
    """Name the first layer that a graph computes differently.

    Parameters
    ----------
    encoder : Encoder
        In evaluation mode.
    graph : Graph
        A graph that differs from it.
    frames : ndarray
        A video on which they differ.
    precision : {"float32", "float16", "int8"}
        Decides which differences count as rounding.

    Returns
    -------
    str
        The layer, and its difference.
    """
    expected = _torch_outputs(encoder, frames)
    names = {layer: name for layer, name in graph.layers.items() if layer in expected}
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    values = dict.fromkeys(names.values())
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in values)
    session = open_graph(model.SerializeToString(), graph.folder, optimize=False)
    outputs = dict(zip(values, session.run(list(values), {INPUT: frames}), strict=True))
    for layer, name in names.items():
        difference = _relative(outputs[name], expected[layer])
        if not difference <= TOLERANCE[precision]:
            return f"first at layer {layer}, {difference:.1e} of its largest value"
    return "no single layer is far off" if names else "no layer could be compared"


def _torch_outputs(encoder: Encoder, frames: np.ndarray) -> dict[str, np.ndarray]:
    outputs: dict[str, np.ndarray] = {}

    def keep(name: str) -> Any:
        def hook(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
            outputs[name] = output.numpy().copy()  # the next layer may work in place

        return hook

    handles = [
        module.register_forward_hook(keep(name)) for name, module in encoder.named_modules() if name
    ]
    try:
        encoder.embed(frames)
    finally:
        for handle in handles:
            handle.remove()
    return outputs


def _relative(value: np.ndarray, expected: np.ndarray) -> float:
    if value.shape != expected.shape:
        return float("inf")
    largest = max(float(np.abs(expected).max()), 1e-12)
    return float(np.abs(value.astype(np.float64) - expected).max()) / largest
