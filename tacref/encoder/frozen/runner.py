"""Running a backbone in onnxruntime, a few pictures at a time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tacref.memory import memory_errors
from tacref.providers import PROVIDERS, cuda_options, missing_parts
from tacref.runtime import WEIGHTS_FOLDER, onnxruntime

# Pictures that go through the backbone at once; their maps take the memory.
PICTURES_PER_RUN = 16
# Between a GPU's output and the CPU's, relative to the largest number in it. Sums in another order
# differ by less; features are kept as float16, which rounds each number by up to 5e-4 of it.
MAX_GPU_DIFFERENCE = 1e-3


class BackboneRunner:
    """Runs a backbone; can be called from several threads.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        A session of the backbone.
    output : str
        Name of the output to compute.
    source : str
        Path of the file, for messages.
    """

    def __init__(self, session: Any, output: str, source: str) -> None:
        self._session, self._output, self._source = session, output, source
        self._input = session.get_inputs()[0].name

    def run(self, pictures: np.ndarray) -> np.ndarray:
        """Map float32 pictures, in the backbone's layout, to its output, some at a time.

        Raises
        ------
        ValueError
            If onnxruntime cannot run it.
        MemoryError
            If there is not enough memory.
        """
        parts = []
        try:
            with memory_errors(f"pictures of shape {pictures.shape}"):
                for start in range(0, len(pictures), PICTURES_PER_RUN):
                    some = np.ascontiguousarray(pictures[start : start + PICTURES_PER_RUN])
                    parts += self._session.run([self._output], {self._input: some})
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime's kinds of error share no public base
            raise ValueError(
                f"{self._source}: onnxruntime cannot run it on pictures of shape "
                f"{pictures.shape} ({one_line(error)})"
            ) from None
        return np.concatenate(parts)

    def __deepcopy__(self, memo: Mapping[int, Any]) -> "BackboneRunner":
        """Return itself: a session has no state that differs between copies."""
        return self


def open_runner(
    model: bytes | str,
    output: str,
    source: str,
    *,
    weights_folder: Path | None = None,
    gpu: int | None = None,
) -> BackboneRunner:
    """Open a backbone in onnxruntime.

    Parameters
    ----------
    model : bytes or str
        A serialized model, or the path of its file.
    output : str
        Name of the output to compute.
    source : str
        Path of the file, for messages.
    weights_folder : Path, optional
        Folder of the files with the weights of a serialized model that is without them.
    gpu : int, optional
        Number of the NVIDIA GPU to run on. By default the CPU.

    Raises
    ------
    ValueError
        If onnxruntime cannot open it, or cannot use the GPU; names what is missing.
    MemoryError
        If there is not enough memory.
    """
    ort = onnxruntime()
    if gpu is not None and (missing := missing_parts("cuda")):
        raise ValueError(f"cuda is not available here: {missing}")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if weights_folder is not None:
        options.add_session_config_entry(WEIGHTS_FOLDER, str(weights_folder))
    providers: list[tuple[str, dict[str, str]]] = [(PROVIDERS["cpu"], {})]
    if gpu is not None:
        on_gpu = cuda_options() | {"device_id": str(gpu)}
        providers.insert(0, (PROVIDERS["cuda"], on_gpu))
    try:
        with memory_errors(f"the session of {source}"):
            session = ort.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except MemoryError:
        raise
    except Exception as error:  # onnxruntime's kinds of error share no public base
        raise ValueError(f"{source}: onnxruntime cannot open it ({one_line(error)})") from None
    if session.get_providers()[0] != providers[0][0]:
        raise ValueError(
            f"cuda was requested, but the session has {session.get_providers()}; onnxruntime could "
            "not start it, and its log says why"
        )
    return BackboneRunner(session, output, source)


def check_gpu_output(on_gpu: BackboneRunner, on_cpu: BackboneRunner, pictures: np.ndarray) -> None:
    """Check that a backbone gives on a GPU what it gives on the CPU.

    Parameters
    ----------
    on_gpu, on_cpu : BackboneRunner
        The same backbone.
    pictures : ndarray of float32
        A few pictures to compare on, in its layout.

    Raises
    ------
    ValueError
        If the outputs differ, or it does not run.
    MemoryError
        If there is not enough memory.
    """
    expected, actual = (each.run(pictures).astype(np.float64) for each in (on_cpu, on_gpu))
    difference = np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-12)
    if not difference <= MAX_GPU_DIFFERENCE:  # also NaN
        raise ValueError(
            f"its output on the GPU differs from the CPU's by {difference:.1e} of the largest "
            f"number in it, more than {MAX_GPU_DIFFERENCE:g}"
        )


def one_line(error: Exception) -> str:
    """Return the beginning of an error's message without line breaks."""
    return " ".join(str(error).split())[:200]
