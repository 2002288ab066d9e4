"""Reading an ONNX file: the model, its weights, and what its inputs and outputs are."""

from pathlib import Path
from typing import Any, NamedTuple

from tacref.encoder.frozen.runner import one_line
from tacref.encoder.frozen.weights_file import (
    bytes_of_weights,
    check_places,
    outside_tensors,
)

# Of weights in one ONNX file: it is a protobuf message, which is smaller than 2 GiB.
MAX_MODEL_BYTES = (2 << 30) - (16 << 20)
_FLOAT32 = 1  # TensorProto.FLOAT


class Value(NamedTuple):
    """An input or output: name, kind of number, and shape with names of free axes."""

    name: str
    kind: str
    shape: tuple[int | str, ...] | None

    def __str__(self) -> str:
        """Return one line, such as `pixels: float32 (N, 3, 224, 224)`."""
        shape = "of unknown shape" if self.shape is None else f"({', '.join(map(str, self.shape))})"
        return f"{self.name}: {self.kind} {shape}"


def read_model(path: Path) -> tuple[Any, bytes | None]:
    """Return a model, and its bytes as one file if they fit one.

    If they do not, its weights are not read: the model says in which files they are.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or one with its weights is missing.
    ValueError
        If it is not an ONNX file, or its weights cannot be read.
    """
    import onnx

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such ONNX file")
    if path.stat().st_size > MAX_MODEL_BYTES:
        raise ValueError(
            f"{path}: takes {path.stat().st_size / 1e9:.1f} GB, and an ONNX file holds at most "
            f"{MAX_MODEL_BYTES / 1e9:.1f}; save it with its weights in a file next to it "
            "(external data)"
        )
    content = path.read_bytes()
    try:
        model = onnx.load_from_string(content)
    except Exception:  # protobuf's kinds of error differ between its implementations
        raise ValueError(f"{path}: damaged, or not an ONNX file") from None
    if not model.graph.node or not model.graph.output:
        raise ValueError(f"{path}: damaged, or not an ONNX file")
    outside = outside_tensors(model)
    if not outside:
        return model, content
    check_places(path, model)
    if bytes_of_weights(model, path.parent) > MAX_MODEL_BYTES:
        stored = {tensor.name for tensor in model.graph.initializer}
        if strays := [tensor.name for tensor in outside if tensor.name not in stored]:
            raise ValueError(
                f"{path}: keeps {strays[0]!r}, which is not one of its graph's weights "
                "(initializers), in another file; beyond 2 GiB, only those may be there"
            )
        return model, None
    try:
        model = onnx.load(path)
    except Exception as error:
        raise ValueError(f"{path}: its weights cannot be read ({one_line(error)})") from None
    return model, model.SerializeToString()


def describe(info: Any) -> Value:
    """Return what an input or output of a graph is."""
    import onnx

    tensor = info.type.tensor_type
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower().replace("undefined", "unknown")
    kind = "float32" if tensor.elem_type == _FLOAT32 else kind
    if not tensor.HasField("shape"):
        return Value(info.name, kind, None)
    shape = tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?"
        for dim in tensor.shape.dim
    )
    return Value(info.name, kind, shape)
