"""`python -m tacref.embed`: frame embeddings of videos, from a run or from an ONNX file."""

import sys

if __name__ == "__main__":  # before what is below is loaded, of which some may not be installed
    from tacref.commands import main as run

    sys.exit(run(["embed", *sys.argv[1:]]))

import json
import os
import zipfile
import zlib
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tacref.commands import Parser, command
from tacref.data import iter_frames
from tacref.data.named import expected_frames, named_clips
from tacref.encoder.chunks import iter_chunks
from tacref.encoder.config import EncoderConfig
from tacref.encoder.frames import FrameError
from tacref.files import check_new_file, new_file, replacing
from tacref.terminal import printable, progress_bar

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
    if path.suffix != ".onnx" and (path.parent / "config.json").is_file():
        raise ValueError(f"{path}: is a file of a run; name the run's folder, {path.parent}")
    from tacref_export.providers import PROVIDERS, missing_parts
    from tacref_export.session import EncoderSession

    if device not in PROVIDERS:
        raise ValueError(f"device must be {', '.join(PROVIDERS)} for an ONNX file, got {device!r}")
    if device != "cpu" and (missing := missing_parts(device)):
        raise ValueError(
            f"device {device!r}: is not available here: {missing}; --device cpu runs on the CPU"
        )
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
        If the clip is damaged, or not what the encoder takes, or an embedding comes out that is
        not of unit length; names the frame.
    """
    timestamps: list[float] = []
    seen = progress and sys.stderr.isatty()
    clip = progress_bar(
        iter_frames(path),
        Path(path).name,
        expected_frames(path) if seen else None,
        "frames",
        wanted=progress,
    )

    def frames() -> Iterator[np.ndarray]:
        for frame, timestamp in clip:
            if not timestamps:
                check_frame(encoder, frame, path)
            timestamps.append(timestamp)
            yield frame

    try:
        rows = list(embed_frames(encoder, frames()))
    except FrameError as error:
        raise ValueError(f"{path}: {error}") from None
    except MemoryError as error:
        raise MemoryError(f"{path}: {error}") from None
    return np.concatenate(rows), np.asarray(timestamps)


def check_frame(encoder: Embedder, frame: np.ndarray, source: str | Path) -> None:
    """Refuse a clip by its first frame.

    Raises
    ------
    ValueError
        If the frame is not what the encoder takes; names the source and the shape of a frame.
    """
    config = encoder.config
    try:
        config.check_frame(frame)
    except FrameError as error:
        raise ValueError(f"{source}: {error}") from None
    except ValueError:
        takes = "pictures" if config.takes_pictures else f"rows of {config.channels} features"
        has = "pictures" if frame.ndim == 3 else f"rows of {frame.shape[0]} features"
        raise ValueError(
            f"{source}: not what the encoder takes: {takes}; the clip has {has}"
        ) from None


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
    return _embed_chunks(encoder, iter_chunks(frames, encoder.config.offsets, size))


def _embed_chunks(
    encoder: Embedder, chunks: Iterable[tuple[np.ndarray, slice]]
) -> Iterator[np.ndarray]:
    done = 0
    for chunk, own in chunks:
        try:
            rows = encoder.embed(chunk)[own]
        except FrameError as error:  # counts from the chunk's first frame
            raise error.after(done - own.start) from None
        done += len(rows)
        yield rows


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
    own = paths[rank::world]
    bar = progress_bar(own, title, len(own), "clips", wanted=progress)
    shares = gather(lambda: {path: embed(path) for path in bar})
    return {path: rows for share in shares for path, rows in share.items()}


@command("embed")
def main(argv: Sequence[str] | None = None) -> int:
    """Write `NAME.npz` (embeddings, timestamps) for each clip; torchrun's processes share them."""
    parser = Parser(
        prog="tacref embed",
        description="Write the frame embeddings of videos. A clip that cannot be read is named, "
        "the others are embedded all the same, and the status is 2.",
    )
    parser.add_argument("encoder", metavar="RUN_OR_ONNX", help="a run's folder, or an ONNX file")
    parser.add_argument(
        "clips", nargs="+", metavar="VIDEO", help="videos, folders of frames or .npy; or one FOLDER"
    )
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="folder for NAME.npz")
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="go on where it stopped: leave out clips whose file is there and whole",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)

    clips, _ = named_clips(options.clips, min_clips=1)
    targets = [Path(options.out) / f"{clip.stem}.npz" for clip in clips]
    for target, clip in zip(targets, clips, strict=True):
        check_new_file(target)
        if targets.count(target) > 1:
            raise ValueError(f"{clip}: two clips would both be written to {target}")
    # Of several processes, torchrun's, each takes a share.
    share = slice(int(os.environ.get("RANK", 0)), None, int(os.environ.get("WORLD_SIZE", 1)))
    work = dict(zip(clips[share], targets[share], strict=True))
    done = {clip: target for clip, target in work.items() if target.exists()}
    if done and not options.skip_existing:
        target = next(iter(done.values()))
        raise ValueError(
            f"{target}: exists already; name another folder, remove it, or go on with "
            "--skip-existing"
        )
    encoder = open_encoder(options.encoder, device=options.device)
    damaged = {clip for clip, target in done.items() if not _is_whole(target, encoder)}
    done = {clip: target for clip, target in done.items() if clip not in damaged}
    embedded, failed = [], []
    for clip, target in work.items():
        if clip in done:
            _say(options, f"{target}: is there, skipped")
            continue
        try:
            embeddings, timestamps = embed_clip(encoder, clip, progress=True)
        except (ValueError, OSError) as error:
            failed.append({"clip": str(clip), "error": str(error)})
            print(f"tacref embed: {printable(str(error))}", file=sys.stderr)
            continue
        with (replacing if clip in damaged else new_file)(target) as path:
            np.savez(path, embeddings=embeddings, timestamps=timestamps)
        embedded.append({"clip": str(clip), "file": str(target), "shape": list(embeddings.shape)})
        _say(options, f"{target}: {len(embeddings)} frames, {embeddings.shape[1]} dimensions")
    if options.json:
        skipped = [{"clip": str(clip), "file": str(target)} for clip, target in done.items()]
        print(json.dumps({"embedded": embedded, "skipped": skipped, "failed": failed}))
    if failed and len(work) > 1:
        print(f"tacref embed: {len(failed)} of {len(work)} clips failed", file=sys.stderr)
    return 2 if _any_failed(bool(failed)) else 0


def _say(options: Namespace, line: str) -> None:
    if not options.json:
        print(printable(line))


def _is_whole(file: Path, encoder: Embedder) -> bool:
    """Say whether a file holds the embeddings of a clip; one that is damaged is made again.

    Raises
    ------
    ValueError
        If they are of another encoder, as far as can be told.
    """
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as saved:
            embeddings, timestamps = saved["embeddings"], saved["timestamps"]
    except (ValueError, OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
        return False
    if embeddings.ndim != 2 or len(embeddings) != len(timestamps) or not len(embeddings):
        return False
    if embeddings.shape[1] != encoder.config.dim:
        raise ValueError(
            f"{file}: holds {embeddings.shape[1]} dimensions, the encoder gives "
            f"{encoder.config.dim}; name another folder or remove it"
        )
    return True


def _any_failed(failed: bool) -> bool:
    """Wait for torchrun's other processes, which it would end when the first one fails."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return failed
    from tacref.training.distributed import Ranks, process_group

    ranks = Ranks.from_environment()
    with process_group(ranks, "cpu"):
        return any(ranks.gather(failed))
