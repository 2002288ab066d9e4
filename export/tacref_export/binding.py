"""Running a chunk of frames in onnxruntime: on the CPU, or on a device in buffers that stay there.

The features that a stream carries stay in the form in which a runner returned them.
"""

from threading import Lock
from typing import Any, Protocol

import numpy as np

from tacref.runtime import onnxruntime
from tacref_export.metadata import CONTEXT, INPUT, NEXT_CONTEXT, OUTPUT


class Runner(Protocol):
    """Runs the streaming form of an encoder; can be called from several threads."""

    def run(self, frames: np.ndarray, context: Any | None) -> tuple[np.ndarray, Any]:
        """Map frames, and the context before them if any, to embeddings and the next context."""


class ArrayRunner:
    """Arrays in, arrays out: on the CPU nothing needs to be copied.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        A session of the streaming form.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, frames: np.ndarray, context: Any | None) -> tuple[np.ndarray, Any]:
        """Run on the calling thread."""
        inputs = {INPUT: frames} if context is None else {INPUT: frames, CONTEXT: context}
        embeddings, next_context = self._session.run([OUTPUT, NEXT_CONTEXT], inputs)
        return embeddings, next_context


class DeviceRunner:
    """Binds inputs and outputs to a device, which the context never leaves.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        A session of the streaming form.
    device : str
        Device of its tensors, such as "cuda".
    graph_shape : tuple of int, optional
        Numbers of frames and of context rows for which a CUDA graph is captured and replayed. All
        other calls run without one.
    """

    def __init__(
        self, session: Any, device: str, graph_shape: tuple[int, int] | None = None
    ) -> None:
        self._session, self._device, self._graph_shape = session, device, graph_shape
        self._lock = Lock()  # the buffers are shared
        self._frames: Any | None = None
        self._fixed: dict[tuple[int, ...], _FixedBuffers] = {}

    def run(self, frames: np.ndarray, context: Any | None) -> tuple[np.ndarray, Any]:
        """Run one chunk; calls from other threads wait."""
        rows = 0 if context is None else int(context.shape()[0])
        with self._lock:
            if self._graph_shape == (len(frames), rows):
                return self._run_fixed(frames, context)
            return self._run_free(frames, context)

    def _run_free(self, frames: np.ndarray, context: Any | None) -> tuple[np.ndarray, Any]:
        ort = onnxruntime()
        if self._frames is None or self._frames.shape() != list(frames.shape):
            self._frames = _buffer(frames, self._device)
        self._frames.update_inplace(frames)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(INPUT, self._frames)
        if context is not None:
            binding.bind_ortvalue_input(CONTEXT, context)
        binding.bind_output(OUTPUT, "cpu")
        binding.bind_output(NEXT_CONTEXT, self._device, 0)
        options = ort.RunOptions()
        if self._graph_shape is not None:
            options.add_run_config_entry("gpu_graph_id", "-1")  # neither capture nor replay
        self._session.run_with_iobinding(binding, options)
        embeddings, next_context = binding.get_outputs()
        return embeddings.numpy(), next_context

    def _run_fixed(self, frames: np.ndarray, context: Any) -> tuple[np.ndarray, Any]:
        buffers = self._fixed.get(frames.shape)
        if buffers is None:
            embeddings, next_context = self._run_free(frames, context)
            self._fixed[frames.shape] = _FixedBuffers(
                self._session, self._device, len(self._fixed) + 1, frames, context, embeddings
            )
            return embeddings, next_context
        return buffers.run(frames, context)


class _FixedBuffers:
    """Buffers that a captured CUDA graph reads and writes, for one shape of frames."""

    def __init__(
        self,
        session: Any,
        device: str,
        number: int,
        frames: np.ndarray,
        context: Any,
        embeddings: np.ndarray,
    ) -> None:
        ort = onnxruntime()
        self._session, self._device = session, device
        self._frames, self._embeddings = _buffer(frames, device), _buffer(embeddings, device)
        self._context, self._next_context = (_buffer(context.numpy(), device) for _ in range(2))
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(INPUT, self._frames)
        self._binding.bind_ortvalue_input(CONTEXT, self._context)
        self._binding.bind_ortvalue_output(OUTPUT, self._embeddings)
        self._binding.bind_ortvalue_output(NEXT_CONTEXT, self._next_context)
        self._options = ort.RunOptions()
        self._options.add_run_config_entry("gpu_graph_id", str(number))

    def run(self, frames: np.ndarray, context: Any) -> tuple[np.ndarray, Any]:
        self._frames.update_inplace(frames)
        # The next context becomes the context via the host, as two streams may alternate.
        self._context.update_inplace(context.numpy())
        self._session.run_with_iobinding(self._binding, self._options)
        next_context = _buffer(self._next_context.numpy(), self._device)
        next_context.update_inplace(self._next_context.numpy())
        return self._embeddings.numpy().copy(), next_context


def _buffer(like: np.ndarray, device: str) -> Any:
    """Allocate a tensor of an array's shape and type on a device."""
    ort = onnxruntime()
    return ort.OrtValue.ortvalue_from_shape_and_type(list(like.shape), like.dtype, device, 0)
