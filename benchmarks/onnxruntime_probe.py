"""`python onnxruntime_probe.py FOLDER FORM`: how far a file's embeddings are off here, as JSON.

Runs with NumPy and whatever onnxruntime is installed; `benchmarks.onnxruntime_versions` starts it.
FOLDER has `FORM.onnx`, `FORM.stream.onnx`, `FORM.frames.npy` and `FORM.rows.npy`.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: see docs/deployment.md

import numpy as np
import onnxruntime

CHUNK = 7
AFTER = 9  # rows at the end of a chunk that are right only if the video ends there


def opened(path: Path) -> onnxruntime.InferenceSession:
    """Open a file on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"], enable_fallback=0
    )


def whole(folder: Path, form: str, frames: np.ndarray) -> np.ndarray:
    """Return the embeddings of a video that is given at once."""
    (rows,) = opened(folder / f"{form}.onnx").run(["embeddings"], {"frames": frames})
    return np.asarray(rows)


def in_chunks(folder: Path, form: str, frames: np.ndarray) -> np.ndarray:
    """Return the embeddings of a video that is given in chunks, with its context."""
    session = opened(folder / f"{form}.stream.onnx")
    inputs, kept = {}, []
    for start in range(0, len(frames), CHUNK):
        inputs["frames"] = frames[start : start + CHUNK]
        rows, inputs["context"] = session.run(["embeddings", "next_context"], inputs)
        kept.append(rows[: max(0, len(rows) - AFTER)])
    return np.concatenate([*kept, rows[-AFTER:]])


def by_session(folder: Path, form: str, frames: np.ndarray) -> np.ndarray:
    """Return the embeddings from tacref itself."""
    from tacref_export import EncoderSession

    return EncoderSession(folder / f"{form}.onnx").embed(frames)


WAYS: dict[str, Callable[[Path, str, np.ndarray], np.ndarray]] = {
    "whole": whole,
    "stream": in_chunks,
    "EncoderSession": by_session,
}


def main() -> None:
    """Print the largest difference, or what went wrong, of each way."""
    folder, form = Path(sys.argv[1]), sys.argv[2]
    frames, expected = np.load(folder / f"{form}.frames.npy"), np.load(folder / f"{form}.rows.npy")
    found: dict[str, float | str] = {}
    for way, embed in WAYS.items():
        try:
            difference = float(np.abs(embed(folder, form, frames) - expected).max())
            found[way] = difference if np.isfinite(difference) else "not finite"
        except Exception as error:  # of any kind: what it is goes into the record
            found[way] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    print(json.dumps({"version": onnxruntime.__version__, "ways": found}))


if __name__ == "__main__":
    main()
