"""`python -m tacref.embed`: frame embeddings of videos, from a run or from an ONNX file."""

import sys

if __name__ == "__main__":  # before what is below is loaded, of which some may not be installed
    from tacref.commands import main as run

    sys.exit(run(["embed", *sys.argv[1:]]))

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tacref.commands import Parser, command
from tacref.data import iter_frames
from tacref.encoder.chunks import iter_chunks
from tacref.encoder.config import EncoderConfig
from tacref.files import check_new_file, new_file

# A clip's path to its embeddings; a call in this process to what it gives in all processes.
Embed = Callable[[Path], np.ndarray]
GatherResults = Callable[[Callable[[], Any]], list[Any]]


class Embedder(Protocol):
    """What a run's encoder and an ONNX session have in common."""

    config: EncoderConfig

    def embed(self, frames: np.ndarray) -> np.ndarray:
        """Map one video, `(T, H, W, 3)` uint8 or `(T, F)` float32, to `(T, d)` float32."""


@runtime_checkable
class StreamingEmbedder(Embedder, Protocol):
    """An embedder that carries context from chunk to chunk itself."""

    def embed_stream(
        self, frames: Iterable[np.ndarray], chunk: int | None = None
    ) -> Iterator[np.ndarray]:
        """Map the frames of one video, one by one, to embeddings, `chunk` frames at a time."""


def open_encoder(path: str | Path, *, device: str = "cpu") -> Embedder:
    """Open a run's folder (torch) or an `.onnx` file (onnxruntime alone).

    Parameters
    ----------
    path : str or Path
        A run's folder or an ONNX file.
    device : str
        A torch device for a run; "cpu", "cuda" or "tensorrt" for an ONNX file.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If it is damaged or not an encoder of this project.
    """
    path = Path(path)
    if path.is_dir():
        from tacref.encoder.storage import load_encoder

        return load_encoder(path, device=device)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such run folder or ONNX file")
    from tacref_export.providers import PROVIDERS
    from tacref_export.session import EncoderSession

    if device not in PROVIDERS:
        raise ValueError(f"device must be {', '.join(PROVIDERS)} for an ONNX file, got {device!r}")
    return EncoderSession(path, providers=(device,))


def embed_clip(
    encoder: Embedder, path: str | Path, *, progress: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Embed a whole clip in memory that does not grow with its frames.

    Parameters
    ----------
    encoder : Embedder
        From `open_encoder`.
    path : str or Path
        A video, a folder of pictures or an array of features.
    progress : bool
        Show a progress bar (on a terminal only).

    Returns
    -------
    embeddings : ndarray of float32, shape (T, d)
        One unit vector a frame.
    timestamps : ndarray of float64, shape (T,)
        Seconds.

    Raises
    ------
    FileNotFoundError
        If there is no such clip.
    ValueError
        If the clip is damaged, or not what the encoder takes.
    """
    from tqdm import tqdm

    config = encoder.config
    timestamps: list[float] = []
    bar = tqdm(
        iter_frames(path),
        desc=Path(path).name,
        unit=" frames",
        leave=False,
        disable=None if progress else True,
    )

    def frames() -> Iterator[np.ndarray]:
        for frame, timestamp in bar:
            if not timestamps:
                try:
                    config.as_frames(frame[None])
                except ValueError as error:
                    raise ValueError(f"{path}: not what the encoder takes: {error}") from None
            timestamps.append(timestamp)
            yield frame

    return np.concatenate(list(embed_frames(encoder, frames()))), np.asarray(timestamps)


def embed_frames(
    encoder: Embedder, frames: Iterable[np.ndarray], size: int | None = None
) -> Iterator[np.ndarray]:
    """Embed a video whose frames come one by one.

    Parameters
    ----------
    encoder : Embedder
        From `open_encoder`.
    frames : iterable of ndarray
        Frames of one video, all of one shape; read once.
    size : int, optional
        New frames at a time, >= 1. By default what memory allows.

    Returns
    -------
    iterator of ndarray of float32, shape (N, d)
        Embeddings in order, together one row a frame.
    """
    if isinstance(encoder, StreamingEmbedder):
        return encoder.embed_stream(frames, size)
    chunks = iter_chunks(frames, encoder.config.offsets, size)
    return (encoder.embed(chunk)[own] for chunk, own in chunks)


def embed_shares(
    embed: Embed,
    paths: Sequence[Path],
    rank: int,
    world: int,
    gather: GatherResults,
    *,
    title: str = "embed",
    progress: bool = False,
) -> dict[Path, np.ndarray]:
    """Embed this process's share of some clips, and return the embeddings of all of them.

    Parameters
    ----------
    embed : callable
        A clip's path to its embeddings.
    paths : sequence of Path
        The same ones in every process.
    rank, world : int
        This process and the number of processes.
    gather : callable
        A call in this process to what it gives in all, in order of rank.
    title : str
        Of the progress bar.
    progress : bool
        Show one (on a terminal only).
    """
    from tqdm import tqdm

    bar = tqdm(paths[rank::world], title, unit=" clips", disable=None if progress else True)
    shares = gather(lambda: {path: embed(path) for path in bar})
    return {path: rows for share in shares for path, rows in share.items()}


@command("embed")
def main(argv: Sequence[str] | None = None) -> int:
    """Write `NAME.npz` (embeddings, timestamps) for each clip; torchrun's processes share them."""
    parser = Parser(prog="tacref embed", description="Write the frame embeddings of videos.")
    parser.add_argument("encoder", metavar="RUN_OR_ONNX", help="a run's folder, or an ONNX file")
    parser.add_argument("clips", nargs="+", metavar="VIDEO", help="video, folder of frames or .npy")
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="folder for NAME.npz")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)

    targets = [Path(options.out) / f"{Path(clip).stem}.npz" for clip in options.clips]
    for target, clip in zip(targets, options.clips, strict=True):
        check_new_file(target)
        if targets.count(target) > 1:
            raise ValueError(f"{clip}: two clips would both be written to {target}")
        if not Path(clip).exists():
            raise FileNotFoundError(f"{clip}: no such file or folder")
    # Of several processes, torchrun's, each takes a share.
    share = slice(int(os.environ.get("RANK", 0)), None, int(os.environ.get("WORLD_SIZE", 1)))
    clips, targets = options.clips[share], targets[share]
    for target in targets:
        if target.exists():
            raise ValueError(f"{target}: exists already; name another folder or remove it")
    encoder = open_encoder(options.encoder, device=options.device)
    written = []
    for target, clip in zip(targets, clips, strict=True):
        embeddings, timestamps = embed_clip(encoder, clip, progress=True)
        with new_file(target) as path:
            np.savez(path, embeddings=embeddings, timestamps=timestamps)
        written.append({"clip": clip, "file": str(target), "shape": list(embeddings.shape)})
        if not options.json:
            print(f"{target}: {len(embeddings)} frames, {embeddings.shape[1]} dimensions")
    if options.json:
        print(json.dumps({"embedded": written}))
    return 0
