"""Putting a frozen backbone's graph into an encoder's, in the place that was left for it."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import onnx
import onnx.compose
import onnx.inliner
import onnx.version_converter
from onnxscript import values

from tacref.runtime import onnxruntime

if TYPE_CHECKING:
    from tacref.encoder.frozen.model import BackboneFile

_DOMAIN = "tacref"
_PREFIX = "backbone/"
_PLACE = onnx.defs.OpSchema(
    "Backbone",
    _DOMAIN,
    1,
    inputs=[onnx.defs.OpSchema.FormalParameter("pictures", "tensor(float)")],
    outputs=[onnx.defs.OpSchema.FormalParameter("output", "tensor(float)")],
)
# The IR version that each operator set needs at least, from onnx/helper.py.
_IR_VERSIONS = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12}


def place_of_backbone(pictures: Any, shape: Any) -> Any:
    """Translate the operator that stands for a backbone: a node for `insert_backbone`."""
    return values.Op(values.Opset(_DOMAIN, 1), _PLACE.name, _PLACE)(pictures)


def opset_of(file: "BackboneFile") -> int:
    """Return the operator set of a backbone."""
    imported = {each.domain: each.version for each in file.model.opset_import}
    return imported.get("", imported.get("ai.onnx", 1))


def insert_backbone(
    model: onnx.ModelProto, file: "BackboneFile", output: str, *, to_float16: bool
) -> None:
    """Replace the node of `place_of_backbone` by a backbone's nodes and weights.

    Parameters
    ----------
    model : onnx.ModelProto
        A traced encoder, of an operator set not below the backbone's; modified.
    file : BackboneFile
        The backbone.
    output : str
        Its output to take.
    to_float16 : bool
        Whether to put its layers into float16.

    Raises
    ------
    ValueError
        If its operators cannot be brought to the operator set of the model, or to float16.
    """
    (place,) = (node for node in model.graph.node if node.domain == _DOMAIN)
    backbone = _needed(onnx.inliner.inline_local_functions(file.computing(output)), output)
    opset = next(each.version for each in model.opset_import if not each.domain)
    if opset_of(file) < opset:
        backbone = _try(
            lambda: onnx.version_converter.convert_version(backbone, opset),
            f"{file.path}: its operators, of opset {opset_of(file)}, cannot become {opset}",
        )
    if to_float16:
        backbone = _try(
            lambda: _to_float16(backbone), f"{file.path}: its layers cannot be put into float16"
        )
    backbone = onnx.compose.add_prefix(backbone, _PREFIX)
    stored = {tensor.name for tensor in backbone.graph.initializer}
    (taken,) = (each.name for each in backbone.graph.input if each.name not in stored)
    _rename(backbone.graph, {taken: place.input[0], _PREFIX + output: place.output[0]})
    graph = model.graph
    at = list(graph.node).index(place)
    nodes = [*graph.node[:at], *backbone.graph.node, *graph.node[at + 1 :]]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(backbone.graph.initializer)
    graph.sparse_initializer.extend(backbone.graph.sparse_initializer)
    imported = {each.domain for each in model.opset_import}
    for each in [each for each in model.opset_import if each.domain == _DOMAIN]:
        model.opset_import.remove(each)
    model.opset_import.extend(
        each for each in backbone.opset_import if each.domain not in imported | {"ai.onnx"}
    )
    model.ir_version = max(model.ir_version, backbone.ir_version, _IR_VERSIONS.get(opset, 8))


def _needed(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """Return a model without the nodes and weights that its output does not depend on."""
    needed, nodes = {output}, []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(_used(node))
            nodes.append(node)
    weights = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in stored]
    pruned = onnx.ModelProto()
    pruned.CopyFrom(model)
    graph = pruned.graph
    # Names of free axes may not agree with those of the encoder.
    del graph.node[:], graph.initializer[:], graph.input[:], graph.value_info[:]
    graph.node.extend(reversed(nodes))
    graph.initializer.extend(weights)
    graph.input.extend(inputs)
    return pruned


def _used(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the values that a node takes, also in graphs within it."""
    yield from node.input
    for graph in _inner_graphs(node):
        yield from (each.name for each in graph.output)
        for inner in graph.node:
            yield from _used(inner)


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Rename values of a graph, also in graphs within it."""
    for node in graph.node:
        for values_of_node in (node.input, node.output):
            for position, name in enumerate(values_of_node):
                values_of_node[position] = names.get(name, name)
        for inner in _inner_graphs(node):
            for each in inner.output:
                each.name = names.get(each.name, each.name)
            _rename(inner, names)


def _inner_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    onnxruntime()  # before anything else imports it
    from onnxruntime.transformers.float16 import convert_float_to_float16

    half: onnx.ModelProto = convert_float_to_float16(model, keep_io_types=True)
    # It adds what casts the input at the end.
    nodes = _in_order(half.graph)
    del half.graph.node[:]
    half.graph.node.extend(nodes)
    return half


def _in_order(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the nodes of a graph, each after those that compute what it takes."""
    missing = {name for node in graph.node for name in node.output}
    waiting, ordered = list(graph.node), []
    while waiting:
        left = []
        for node in waiting:
            if missing.isdisjoint(_used(node)):
                missing.difference_update(node.output)
                ordered.append(node)
            else:
                left.append(node)
        if len(left) == len(waiting):
            raise ValueError("its nodes depend on each other in a circle")
        waiting = left
    return ordered


def _try(call: Callable[[], onnx.ModelProto], failure: str) -> onnx.ModelProto:
    try:
        return call()
    except Exception as error:  # converters raise errors of many types
        raise ValueError(f"{failure} ({' '.join(str(error).split())[:200]})") from None
