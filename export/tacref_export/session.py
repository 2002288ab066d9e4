"""Running an exported encoder with only NumPy and onnxruntime."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from tacref_export.binding import ArrayRunner, DeviceRunner, Runner
from tacref_export.exported import read_exported
from tacref_export.metadata import context_rows
from tacref_export.providers import PROVIDERS, check_providers, check_threads
from tacref_export.streaming import (
    EncoderStream,
    check_chunk,
    default_chunk,
    embed_stream,
    resized,
)


class EncoderSession:
    """An exported encoder, ready to embed videos.

    It can be used from several threads. It holds its memory until `close` or the end of a `with`
    block.

    Parameters
    ----------
    path : str or Path
        A file written by `export_encoder` and unchanged since.
    providers : sequence of {"cpu", "cuda", "tensorrt"}
        Where to run, in order of preference. It is verified that each is available and runs the
        encoder; otherwise it is an error, never a silent fallback to the CPU.
    allow_cpu : bool
        Whether the CPU may run all or part of it if a provider is not available.
    chunk : int, optional
        Frames to run at once, >= 1. By default as many as fit a few hundred megabytes, and on a CPU
        at most 32 pictures of a video or a stream. The embeddings do not depend on it.
    cuda_graph : bool
        Whether to capture the work on a chunk once and then replay it. Needs `chunk` and "cuda" or
        "tensorrt".
    tf32 : bool
        Whether NVIDIA GPUs may round factors to ten bits: faster, and about 1e-3 off.
    threads : int
        CPU threads, from 0 to 1024; 0 lets onnxruntime choose.

    Attributes
    ----------
    config : EncoderConfig
        Architecture of the encoder, from the file.
    metadata : dict of str to str
        Metadata of the file, keys without the prefix `tacref.`.
    providers : tuple of str
        The providers that it runs on.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an encoder exported by tacref, or was changed; a provider is unknown or not
        available; or another argument is out of range.
    MemoryError
        If there is not enough memory.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        providers: str | Sequence[str] = ("cpu",),
        allow_cpu: bool = False,
        chunk: int | None = None,
        cuda_graph: bool = False,
        tf32: bool = False,
        threads: int = 0,
    ) -> None:
        requested = check_providers(providers)
        check_chunk(chunk)
        check_threads(threads)
        if cuda_graph and (chunk is None or requested[0] == "cpu"):
            raise ValueError("cuda_graph needs a chunk and a provider other than cpu")
        exported = read_exported(path)
        self.metadata, self.config = exported.metadata, exported.config
        session = exported.open(
            requested, allow_cpu=allow_cpu, tf32=tf32, cuda_graph=cuda_graph, threads=threads
        )
        active = session.get_providers()
        self.providers = tuple(name for name, full in PROVIDERS.items() if full in active)
        self._chunk = chunk
        self._runner: Runner | None
        if self.providers == ("cpu",):
            self._runner = ArrayRunner(session)
        else:
            graph = (chunk, context_rows(self.config.offsets)) if cuda_graph and chunk else None
            self._runner = DeviceRunner(session, "cuda", graph)

    def embed(self, frames: np.ndarray) -> np.ndarray:
        """Embed one video.

        Parameters
        ----------
        frames : ndarray, shape (T, H, W, 3) of uint8 or (T, F) of float32
            One whole video: RGB as decoded, of any size, or feature rows.

        Returns
        -------
        ndarray of float32, shape (T, d)
            One vector of unit length per frame.

        Raises
        ------
        ValueError
            If `frames` does not fit the encoder, an embedding is not of unit length, or the session
            is closed. Names the frame.
        MemoryError
            If there is not enough memory for a chunk.
        """
        stream = self.stream()
        frames = self.config.as_frames(frames)
        chunk = self._chunk or default_chunk(frames[0], self.config)
        rows = [
            stream.push(frames[start : start + chunk]) for start in range(0, len(frames), chunk)
        ]
        return np.concatenate([*rows, stream.finish()])

    def embed_video(
        self, path: str | Path, *, progress: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Embed a video file, in memory that does not grow with its length.

        Parameters
        ----------
        path : str or Path
            A video, a folder of pictures or an array of features.
        progress : bool
            Show a progress bar (on a terminal only).

        Returns
        -------
        embeddings : ndarray of float32, shape (T, d)
            One vector of unit length per frame.
        timestamps : ndarray of float64, shape (T,)
            Seconds.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged or does not fit the encoder, or the session is closed.
        """
        from tacref.encoder.embedding import embed_clip  # decodes, with PyAV

        return embed_clip(self, path, progress=progress)

    def embed_many(
        self, paths: Iterable[str | Path], *, progress: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Embed video files one after the other.

        Parameters
        ----------
        paths : iterable of str or Path
            As `embed_video` takes them.
        progress : bool
            Show a progress bar (on a terminal only).

        Yields
        ------
        tuple of ndarray
            As returned by `embed_video`, in the order of `paths`, each once it is ready.

        Raises
        ------
        FileNotFoundError
            If one is missing, before any is embedded.
        ValueError
            If one is damaged or does not fit the encoder, or the session is closed.
        """
        clips = [Path(path) for path in paths]
        for clip in clips:
            if not clip.exists():
                raise FileNotFoundError(f"{clip}: no such file or folder")
        return (self.embed_video(clip, progress=progress) for clip in clips)

    def stream(self) -> EncoderStream:
        """Start a video that arrives in chunks.

        Returns
        -------
        EncoderStream
            Call `push` with frames, then `finish`. Use each stream in one thread at a time; several
            can be open at once.

        Raises
        ------
        ValueError
            If the session is closed.
        """
        if self._runner is None:
            raise ValueError("the session is closed")
        return EncoderStream(self._runner, self.config, resize=self.providers == ("cpu",))

    def resized(self, frame: np.ndarray) -> np.ndarray:
        """Return what `embed_stream` would make of a frame first, and takes in its place.

        Parameters
        ----------
        frame : ndarray, shape (H, W, 3) or (F,)
            A frame.

        Returns
        -------
        ndarray
            On a CPU, the picture as small as the encoder needs it; otherwise `frame` itself.

        Raises
        ------
        ValueError
            If the frame does not fit the encoder.
        """
        if self.providers == ("cpu",) and self.config.squeezes_pictures:
            return resized(frame, self.config)
        return frame

    def embed_stream(
        self, frames: Iterable[np.ndarray], chunk: int | None = None
    ) -> Iterator[np.ndarray]:
        """Embed a video whose frames come one by one, in memory that does not grow with its length.

        Parameters
        ----------
        frames : iterable of ndarray, each of shape (H, W, 3) or (F,)
            Read once.
        chunk : int, optional
            Frames to run at once, >= 1. By default that of the session.

        Yields
        ------
        ndarray of float32, shape (N, d)
            Embeddings in order, in total one row per frame.

        Raises
        ------
        ValueError
            If `chunk` is not >= 1, a frame does not fit the encoder, or the session is closed.
        """
        check_chunk(chunk)
        return embed_stream(self.stream(), frames, chunk or self._chunk)

    def close(self) -> None:
        """Release the model and its memory; open streams can still be finished."""
        self._runner = None

    def __enter__(self) -> "EncoderSession":
        """Return the session itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()
