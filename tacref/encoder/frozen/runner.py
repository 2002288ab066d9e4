"""Running a backbone in onnxruntime, a few pictures at a time."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tacref.memory import memory_errors

# Pictures that go through the backbone at once; their maps take the memory.
PICTURES_PER_RUN = 16


class BackboneRunner:
    """Runs a backbone on the CPU; can be called from several threads.

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


def one_line(error: Exception) -> str:
    """Return the beginning of an error's message without line breaks."""
    return " ".join(str(error).split())[:200]
