"""An ONNX picture model as a backbone: what it takes and gives, and whether it can be used."""

import copy
import difflib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tacref.encoder.frozen.config import BackboneConfig
from tacref.encoder.frozen.preprocessing import (
    EXAMPLE,
    Preprocessing,
    preprocessing_of_metadata,
    read_preprocessing,
)
from tacref.encoder.frozen.reading import describe, read_model
from tacref.encoder.frozen.runner import BackboneRunner, open_runner
from tacref.encoder.frozen.weights_file import (
    Piece,
    digest_of,
    move_weights,
    path_of_weights,
    write_pieces,
)
from tacref.files import replacing
from tacref.memory import memory_errors

PREPROCESS_KEY = "preprocess"
_FREE_BATCH = 'export it with a free first axis: torch.onnx.export(..., dynamic_shapes=({0: "N"},))'


class BackboneFile:
    """An ONNX picture model, read and checked as far as its graph tells.

    Parameters
    ----------
    path : str or Path
        The file. Weights in files next to it are read into memory, unless they do not fit one ONNX
        file.

    Attributes
    ----------
    sha256 : str
        Of the model as one ONNX file; beyond 2 GiB, of its graph and its weights.
    size : int
        Bytes of what `sha256` is of.
    weights_outside : bool
        True if `model` is without its weights, because they do not fit one ONNX file.
    model : onnx.ModelProto
        The model.
    inputs, outputs : list of Value
        What it takes and gives.
    metadata : dict of str to str
        Its metadata entries.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or one with its weights is missing.
    ValueError
        If it is not an ONNX file, or its weights cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with memory_errors(f"{path}"):
            self.model, self._content = read_model(self.path)
        self.weights_outside = self._content is None
        if self._content is not None:
            self.size = len(self._content)
            self.sha256 = hashlib.sha256(self._content).hexdigest()
        else:
            graph, pieces = self._with_weights_in("")  # whatever file holds them
            self.size = len(graph) + sum(piece.length for piece in pieces)
            self.sha256 = digest_of(graph, pieces)
        stored = {tensor.name for tensor in self.model.graph.initializer}
        graph = self.model.graph
        self.inputs = [describe(each) for each in graph.input if each.name not in stored]
        self.outputs = [describe(each) for each in graph.output]
        self.metadata = {entry.key: entry.value for entry in self.model.metadata_props}

    def __deepcopy__(self, memo: Mapping[int, Any]) -> "BackboneFile":
        """Return itself: it does not change."""
        return self

    @property
    def layout(self) -> str:
        """Return the layout of the input, "NCHW" or "NHWC".

        Raises
        ------
        ValueError
            If the model does not take one batch of pictures.
        """
        expected = "a backbone takes one float32 input of pictures, (N, 3, H, W) or (N, H, W, 3)"
        listed = "; ".join(map(str, self.inputs)) or "none"
        if len(self.inputs) != 1 or self.inputs[0].kind != "float32":
            raise ValueError(f"{self.path}: not a picture model: {expected}; its inputs: {listed}")
        shape = self.inputs[0].shape
        if shape is None or len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise ValueError(f"{self.path}: not a picture model: {expected}; its inputs: {listed}")
        if isinstance(shape[0], int):
            raise ValueError(
                f"{self.path}: its batch is fixed at {shape[0]} ({listed}); {_FREE_BATCH}"
            )
        return "NCHW" if shape[1] == 3 else "NHWC"

    def check_size(self, size: int) -> None:
        """Refuse pictures that do not fit the input.

        Raises
        ------
        ValueError
            If the input has fixed sides that are not `size`.
        """
        layout, shape = self.layout, self.inputs[0].shape
        assert shape is not None
        sides = shape[2:] if layout == "NCHW" else shape[1:3]
        if any(isinstance(side, int) and side != size for side in sides):
            raise ValueError(
                f"{self.path}: takes pictures of {sides[0]}x{sides[1]}, but the preprocessing "
                f"gives {size}x{size}"
            )

    def output_name(self, name: str | None) -> str:
        """Return the name of the output to take, by default the only one.

        Parameters
        ----------
        name : str, optional
            An output, or any value that is computed in the graph.

        Raises
        ------
        ValueError
            If it is not there (names the nearest one), or there are several to choose from.
        """
        if name is None:
            if len(self.outputs) != 1:
                listed = "; ".join(map(str, self.outputs))
                raise ValueError(
                    f"{self.path}: has {len(self.outputs)} outputs; backbone_output "
                    f"(--backbone-output) chooses one: {listed}"
                )
            return self.outputs[0].name
        computed = [output for node in self.model.graph.node for output in node.output if output]
        if name not in computed:
            names = [output.name for output in self.outputs]
            near = difflib.get_close_matches(name, [*names, *computed], n=1, cutoff=0.4)
            hint = f"the nearest name is {near[0]!r}; " if near else ""
            raise ValueError(
                f"{self.path}: has no output {name!r}; {hint}its outputs: {', '.join(names)}"
            )
        return name

    def preprocessing(self, path: str | Path | None = None) -> Preprocessing:
        """Return what pictures go through first, from a file or the model's metadata.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If neither says it, with an example; or what says it is wrong.
        """
        if path is not None:
            return read_preprocessing(path)
        if PREPROCESS_KEY in self.metadata:
            return preprocessing_of_metadata(self.metadata[PREPROCESS_KEY], str(self.path))
        example = " ".join(line.split("#")[0].strip() + "," for line in EXAMPLE.splitlines()
                           if not line.startswith(" "))  # fmt: skip
        raise ValueError(
            f"{self.path}: does not say what pictures must go through before it; "
            "--backbone-preprocess takes the model's preprocessor_config.json, or a TOML file with "
            f"a line each of {example.rstrip(',')}"
        )

    def open(self, output: str, *, gpu: int | None = None) -> BackboneRunner:
        """Open it in onnxruntime, to compute one output, on the CPU or a GPU.

        Raises
        ------
        ValueError
            If onnxruntime cannot open it, or cannot use the GPU.
        MemoryError
            If there is not enough memory.
        """
        # onnxruntime finds weights by the path of the file, or in the folder that is named here.
        content: bytes | str = str(self.path) if self._content is None else self._content
        folder = None
        if output not in {each.name for each in self.model.graph.output}:
            content = self.computing(output).SerializeToString()
            folder = self.path.parent if self.weights_outside else None
        return open_runner(content, output, str(self.path), weights_folder=folder, gpu=gpu)

    def save(self, path: Path) -> None:
        """Write a copy, of one file or of two: its weights are then in `path_of_weights`.

        Parameters
        ----------
        path : Path
            The graph's file, which does not exist yet.

        Raises
        ------
        OSError, ValueError
            If it cannot be written, or its weights can no longer be read; no file is left.
        """
        content, weights = self._content, path_of_weights(path)
        pieces: list[Piece] = []
        if content is None:
            content, pieces = self._with_weights_in(weights.name)
        try:
            with replacing(path) as graph:
                graph.write_bytes(content)
                if pieces:  # in place before the graph that needs them
                    with replacing(weights) as temporary, temporary.open("wb") as file:
                        write_pieces(pieces, file)
        except BaseException:
            if pieces and not path.is_file():
                weights.unlink(missing_ok=True)
            raise

    def _with_weights_in(self, name: str) -> tuple[bytes, list[Piece]]:
        """Return the graph whose weights are in one file of this name, and that file's content."""
        model = copy.deepcopy(self.model)
        pieces = move_weights(model, self.path.parent, name)
        return model.SerializeToString(), pieces

    def computing(self, output: str) -> Any:
        """Return the model with one output, which may be any value in its graph."""
        import onnx

        model = copy.deepcopy(self.model)
        stated = [each for each in model.graph.output if each.name == output]
        del model.graph.output[:]
        model.graph.output.extend(stated or [onnx.ValueInfoProto(name=output)])
        return model

    def configure(
        self,
        *,
        output: str | None = None,
        preprocess: str | Path | None = None,
        grid: int = 4,
    ) -> tuple[BackboneConfig, BackboneRunner]:
        """Check that it can be used, and run it once to learn the shape of its output.

        Parameters
        ----------
        output : str, optional
            Name of the output to take, by default the only one.
        preprocess : str or Path, optional
            A file for `read_preprocessing`; by default the model's metadata tells.
        grid : int
            As in `BackboneConfig`.

        Raises
        ------
        FileNotFoundError, ValueError
            If something is missing or does not fit.
        """
        layout, name = self.layout, self.output_name(output)
        preprocessing = self.preprocessing(preprocess)
        self.check_size(preprocessing.size)
        runner = self.open(name)
        size = preprocessing.size
        sides = (3, size, size) if layout == "NCHW" else (size, size, 3)
        values = runner.run(np.zeros((2, *sides), np.float32))
        if values.ndim not in (2, 3, 4) or len(values) != 2 or values.dtype.kind != "f":
            raise ValueError(
                f"{self.path}: output {name} is {values.dtype} of shape {values.shape} for two "
                "pictures; a backbone gives floats of shape (N, C), (N, tokens, C) or (N, C, h, w)"
            )
        config = BackboneConfig(
            sha256=self.sha256,
            input=self.inputs[0].name,
            output=name,
            layout=layout,
            shape=tuple(map(int, values.shape[1:])),
            grid=grid,
            preprocessing=preprocessing,
        )
        return config, runner
