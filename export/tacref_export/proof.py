"""Whether a graph computes the same as torch: videos to compare on, differences, limits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from PIL import Image

from tacref.data import iter_frames, write_video
from tacref.data.synthetic import draw_timeline, render
from tacref.encoder.embedding import Embedder, check_frame
from tacref.encoder.encoder import Encoder
from tacref.encoder.frames import FrameError
from tacref.memory import memory_errors
from tacref.runtime import WEIGHTS_FOLDER, onnxruntime
from tacref.terminal import progress_bar
from tacref_export.binding import ArrayRunner
from tacref_export.graph import Graph
from tacref_export.metadata import INPUT, OUTPUT, context_rows
from tacref_export.streaming import EncoderStream

MAX_DIFFERENCE = 1e-5  # float32, on rows of unit length
MAX_STREAMING_DIFFERENCE = 1e-6  # float32, between chunks and the whole
MIN_COSINE = 0.999  # float16

# (T, H, W): one frame, fewer frames than the context, non-square, odd, smaller and larger than the
# pictures that the backbone takes. T = 0 stands for more frames than the context.
PICTURE_SHAPES = ((1, 64, 64), (2, 48, 33), (5, 240, 320), (9, 121, 75), (17, 64, 96), (0, 37, 51))
FEATURE_LENGTHS = (1, 2, 7, 20, 50, 0)
_FRAMES_PER_CHUNK = 7
# Decoded frames of one clip; in float32, in torch and onnxruntime, they take many times as much.
MAX_CLIP_BYTES = 64 << 20


class ParityError(RuntimeError):
    """The exported file does not compute the same as torch."""


@dataclass(frozen=True)
class Video:
    """Frames to compare on, their kind ("decoded" or "noise"), and the clip they come from."""

    kind: str
    frames: np.ndarray
    clip: str = ""


@dataclass(frozen=True)
class Parity:
    """Measured difference between onnxruntime and torch on one video.

    Parameters
    ----------
    shape : tuple of int
        Shape of the frames.
    kind : {"decoded", "noise"}
        Kind of frames.
    max_abs : float
        Largest difference in any coordinate.
    min_cosine : float
        Smallest cosine between the two embeddings of a frame, computed whole or in chunks.
    streaming : float
        Largest difference in any coordinate between chunks of seven frames and the whole.
    """

    shape: tuple[int, ...]
    kind: str
    max_abs: float
    min_cosine: float
    streaming: float

    def __str__(self) -> str:
        """Return one line, such as `1x64x64x3 noise: 1.2e-07`."""
        return f"{'x'.join(map(str, self.shape))} {self.kind}: {self.max_abs:.1e}"

    def within(self, precision: str) -> bool:
        """Return whether the differences are within the limits of a precision."""
        if precision == "float32":  # false for NaN
            return self.max_abs <= MAX_DIFFERENCE and self.streaming <= MAX_STREAMING_DIFFERENCE
        return self.min_cosine >= (MIN_COSINE if precision == "float16" else -1.0)


def proof_videos(encoder: Encoder, clips: Sequence[str | Path] = ()) -> list[Video]:
    """Return videos of six shapes, of decoded frames and of noise.

    Parameters
    ----------
    encoder : Encoder
        The encoder. Noise for features has the mean and deviation of its training set.
    clips : sequence of str or Path
        Clips to use: the first one at six shapes, and all of them unchanged. Without clips the
        built-in activity is rendered, encoded and decoded; for features there is then only noise.

    Raises
    ------
    ValueError
        If a clip does not fit the encoder.
    """
    config, rng = encoder.config, np.random.default_rng(0)
    long = context_rows(config.offsets) + 3
    decoded = []
    for clip in clips:
        frames = first_frames(clip, long, MAX_CLIP_BYTES)
        check_frame(encoder, frames[0], clip)
        try:
            decoded.append(Video("decoded", config.as_frames(frames), str(clip)))
        except ValueError as error:
            raise ValueError(f"{clip}: {error}") from None
    if not config.takes_pictures:
        mean, std = encoder.preprocess.mean.numpy(), encoder.preprocess.std.numpy()
        noise = [
            Video("noise", rng.normal(mean, std, (length or long, len(mean))).astype(np.float32))
            for length in FEATURE_LENGTHS
        ]
        return noise + decoded
    shapes = [(length or long, height, width) for length, height, width in PICTURE_SHAPES]
    videos = [Video("noise", rng.integers(0, 256, (*shape, 3), dtype=np.uint8)) for shape in shapes]
    source = decoded[0].frames if decoded else _rendered(max(long, 17), 128)
    for length, height, width in shapes:
        resized = [Image.fromarray(frame).resize((width, height)) for frame in source[:length]]
        videos.append(Video("decoded", np.stack([np.asarray(image) for image in resized])))
    return videos + decoded


def first_frames(clip: str | Path, count: int, max_bytes: float = math.inf) -> np.ndarray:
    """Return the first frames of a clip: at most `count`, and at most `max_bytes` bytes of them."""
    rows = []
    for frame, _ in iter_frames(clip):
        rows.append(frame)
        if len(rows) == count or (len(rows) + 1) * frame.nbytes > max_bytes:
            break
    return np.stack(rows)


def measure_parity(
    encoder: Embedder, graph: Graph, videos: Sequence[Video], *, progress: bool = False
) -> list[Parity]:
    """Compare a graph, with and without onnxruntime's optimization, with the torch encoder.

    Parameters
    ----------
    encoder : Encoder
        The encoder, in float32.
    graph : Graph
        A graph of any precision.
    videos : sequence of Video
        Videos to compare on.
    progress : bool
        Show a progress bar if it takes longer than a few seconds (on a terminal only).

    Returns
    -------
    list of Parity
        One for each video, with the worse result of the two.

    Raises
    ------
    ValueError
        If torch computes embeddings that are not of unit length; names the clip and the frame.
    ParityError
        If onnxruntime does not open the graph, or it does not run on a video.
    """
    model = graph.model.SerializeToString()
    try:
        plain = open_graph(model, graph.folder, optimize=False)
        optimized = open_graph(model, graph.folder)
        runner = ArrayRunner(open_graph(model + graph.streaming, graph.folder))
    except MemoryError:
        raise
    except Exception as error:  # onnxruntime's kinds of error share no public base
        raise ParityError(f"onnxruntime does not open it: {_one_line(error)}") from None
    measured = []
    for video in progress_bar(videos, "prove", len(videos), "videos", enabled=progress):
        try:
            expected = encoder.embed(video.frames)
        except FrameError as error:
            raise ValueError(f"{video.clip or video.kind}: {error}") from None
        try:
            rows = [run_graph(session, video.frames) for session in (plain, optimized)]
            stream = EncoderStream(runner, encoder.config)
            chunks = [
                stream.push(video.frames[start : start + _FRAMES_PER_CHUNK])
                for start in range(0, len(video.frames), _FRAMES_PER_CHUNK)
            ]
            streamed = np.concatenate([*chunks, stream.finish()])
        except FrameError:  # NaN fails all limits
            streamed = np.full_like(expected, np.nan)
        except MemoryError:
            raise
        except Exception as error:
            raise ParityError(
                f"it does not run on frames of shape {video.frames.shape}: "
                f"{where_it_failed(graph.model, error)}"
            ) from None
        for each, suffix in zip((*rows, streamed), ("", "", " in chunks"), strict=True):
            if each.shape != expected.shape:
                raise ParityError(
                    f"on frames of shape {video.frames.shape}{suffix} its embeddings have shape "
                    f"{each.shape}, and torch's {expected.shape}"
                )
        measured.append(
            Parity(
                video.frames.shape,
                video.kind,
                max(float(np.abs(each - expected).max()) for each in rows),
                min(float((each * expected).sum(1).min()) for each in (*rows, streamed)),
                float(np.abs(streamed - rows[1]).max()),
            )
        )
    return measured


def open_graph(model: bytes, folder: Path | None = None, *, optimize: bool = True) -> Any:
    """Open a serialized model, perhaps with weights in a file of a folder, on the CPU."""
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if folder is not None:
        options.add_session_config_entry(WEIGHTS_FOLDER, str(folder))
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    with memory_errors(f"a session of {len(model)} bytes"):
        return ort.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )


def run_graph(session: Any, frames: np.ndarray) -> np.ndarray:
    """Return the embeddings of a whole video."""
    with memory_errors(f"frames of shape {frames.shape}"):
        (rows,) = session.run([OUTPUT], {INPUT: frames})
    return np.asarray(rows)


def where_it_failed(model: onnx.ModelProto, error: Exception) -> str:
    """Return the layer that an error of onnxruntime is about, and its message."""
    text = _one_line(error)
    for node in model.graph.node:
        if f"Name:'{node.name}'" in text:
            scopes = {entry.key: entry.value for entry in node.metadata_props}
            path = scopes.get("pkg.torch.onnx.name_scopes", "")
            parts = [part.strip(" '\"") for part in path.strip("[]").split(",")]
            layers = [part for part in parts if part.startswith("encoder.")]
            layer = layers[-1].removeprefix("encoder.") if layers else "the context windows"
            return f"first at {layer} ({node.op_type}): {text}"
    return f"first at its input: {text}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _rendered(length: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        frames = render(draw_timeline(rng), rng, size)
        write_video(path, (frame for frame, _ in zip(frames, range(length), strict=False)))
        return first_frames(path, length)
