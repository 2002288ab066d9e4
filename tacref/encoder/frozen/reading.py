"""Reading an ONNX file whole: the model, its weights, and what its inputs and outputs are."""

from pathlib import Path
from typing import Any, NamedTuple

from tacref.encoder.frozen.runner import one_line

# A protobuf message, which an ONNX file is, is smaller than 2 GiB.
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


def read_model(path: Path) -> tuple[Any, bytes]:
    """Return a model and its bytes as one file.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or one with its weights is missing.
    ValueError
        If it is not an ONNX file, or too large.
    """
    import onnx

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such ONNX file")
    if path.stat().st_size > MAX_MODEL_BYTES:
        raise ValueError(_too_large(path, path.stat().st_size))
    content = path.read_bytes()
    try:
        model = onnx.load_from_string(content)
    except Exception:  # protobuf's kinds of error differ between its implementations
        raise ValueError(f"{path}: damaged, or not an ONNX file") from None
    if not model.graph.node or not model.graph.output:
        raise ValueError(f"{path}: damaged, or not an ONNX file")
    outside = [
        {entry.key: entry.value for entry in tensor.external_data}
        for tensor in model.graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    ]
    if not outside:
        return model, content
    files = {path.parent / entries.get("location", "") for entries in outside}
    for file in sorted(files):
        if not file.is_file():
            raise FileNotFoundError(f"{path}: keeps its weights in {file.name}, which is not there")
    size = len(content) + sum(file.stat().st_size for file in files)
    if size > MAX_MODEL_BYTES:
        raise ValueError(_too_large(path, size))
    try:
        model = onnx.load(path)
    except Exception as error:
        raise ValueError(f"{path}: its weights cannot be read ({one_line(error)})") from None
    return model, model.SerializeToString()


def _too_large(path: Path, size: int) -> str:
    return (
        f"{path}: takes {size / 1e9:.1f} GB with its weights; at most "
        f"{MAX_MODEL_BYTES / 1e9:.1f} GB fit the one file into which an encoder is exported"
    )


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
