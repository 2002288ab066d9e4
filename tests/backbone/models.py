"""Small ONNX picture models with random weights, made by onnx.helper."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 32
PREPROCESSING = {"size": SIZE, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def save(path, nodes, weights, inputs, outputs, *, opset=17, preprocess=PREPROCESSING, ir=8):
    graph = helper.make_graph(
        nodes,
        "backbone",
        inputs,
        outputs,
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = ir
    if preprocess is not None:
        helper.set_model_props(model, {"preprocess": json.dumps(preprocess)})
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)
    return path


def floats(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def draw(seed, *shape):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def map_model(path, *, layout="NCHW", channels=8, **how):
    """Two strided convolutions: a map (N, C, 8, 8); channels last in and out with NHWC."""
    weights = {"w1": draw(1, 6, 3, 3, 3), "b1": draw(2, 6), "w2": draw(3, channels, 6, 3, 3)}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1]),
    ]
    if layout == "NCHW":
        return save(
            path, nodes, weights, [floats("x", "N", 3, SIZE, SIZE)],
            [floats("y", "N", channels, SIZE // 4, SIZE // 4)], **how,
        )  # fmt: skip
    nodes = [
        helper.make_node("Transpose", ["pictures"], ["x"], perm=[0, 3, 1, 2]),
        *nodes,
        helper.make_node("Transpose", ["y"], ["last"], perm=[0, 2, 3, 1]),
    ]
    return save(
        path, nodes, weights, [floats("pictures", "N", SIZE, SIZE, 3)],
        [floats("last", "N", SIZE // 4, SIZE // 4, channels)], **how,
    )  # fmt: skip


def vector_model(path, *, preprocess=PREPROCESSING, **how):
    """A convolution, averaged over the picture: (N, 6); its sides are free."""
    weights = {"w1": draw(4, 6, 3, 3, 3)}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("GlobalAveragePool", ["r1"], ["g"]),
        helper.make_node("Flatten", ["g"], ["y"]),
    ]
    return save(
        path, nodes, weights, [floats("x", "N", 3, "H", "W")], [floats("y", "N", 6)],
        preprocess=preprocess, **how,
    )  # fmt: skip


def token_model(path, *, width=8, patch=8, prefix=1, **how):
    """A one-block vision transformer of one head: (N, prefix + 16, width)."""
    side = SIZE // patch
    weights = {
        "patches": draw(5, width, 3, patch, patch),
        "shape": np.array([0, width, side * side], np.int64),
        "prefix": draw(6, 1, prefix, width),
        "places": draw(7, 1, prefix + side * side, width),
        **{name: draw(8 + number, width, width) for number, name in enumerate(("q", "k", "v"))},
        "gain": np.ones(width, np.float32),
        "bias": np.zeros(width, np.float32),
        "rest": np.array([prefix, width], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["x", "patches"], ["map"], strides=[patch, patch]),
        helper.make_node("Reshape", ["map", "shape"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["tokens"], perm=[0, 2, 1]),
        helper.make_node("Shape", ["x"], ["count"], start=0, end=1),
        helper.make_node("Concat", ["count", "rest"], ["repeated"], axis=0),
        helper.make_node("Expand", ["prefix", "repeated"], ["first"]),
        helper.make_node("Concat", ["first", "tokens"], ["all"], axis=1),
        helper.make_node("Add", ["all", "places"], ["placed"]),
        *(helper.make_node("MatMul", ["placed", name], [name * 2]) for name in "qkv"),
        helper.make_node("Transpose", ["kk"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["qq", "kt"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["attention"], axis=-1),
        helper.make_node("MatMul", ["attention", "vv"], ["mixed"]),
        helper.make_node("Add", ["placed", "mixed"], ["sum"]),
        helper.make_node("LayerNormalization", ["sum", "gain", "bias"], ["y"], axis=-1),
    ]
    return save(
        path, nodes, weights, [floats("x", "N", 3, SIZE, SIZE)],
        [floats("y", "N", prefix + side * side, width)], **how,
    )  # fmt: skip


def text_model(path):
    """Embeddings of words."""
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ("N", "L"))
    nodes = [helper.make_node("Gather", ["words", "input_ids"], ["y"])]
    return save(
        path, nodes, {"words": draw(9, 10, 4)}, [ids], [floats("y", "N", "L", 4)], preprocess=None
    )


def large_model(path, *, location="weights.bin", one_file=True, **how):
    """The model of `in_one_file`, with its weights in other files."""
    model = onnx.load(in_one_file(path, **how))
    path.unlink()
    onnx.save_model(
        model, path, save_as_external_data=True, all_tensors_to_one_file=one_file,
        size_threshold=100, location=location,
    )  # fmt: skip
    return path


def in_one_file(path, *, make=token_model, one_file=True, **how):
    return make(path, **({"width": 24} if make is token_model else {}) | how)
