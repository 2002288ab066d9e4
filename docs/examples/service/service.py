"""A small HTTP service around an exported encoder: `python service.py ENCODER.onnx`.

    GET  /health                                           what it runs, once it is ready
    POST /embed                                            a video, to an .npz
    POST /embed  with Content-Type: application/x-tar      several videos, to one .npz

The .npz has `embeddings` (T, d) and `seconds` (T,); of several videos, `NAME/embeddings` and
`NAME/seconds` of each. An error is JSON: {"error": "..."}. Only the standard library and
`tacref[deploy-cpu]` are needed. Put a proxy that ends TLS and knows its users in front of it.
"""

import argparse
import io
import json
import shutil
import signal
import sys
import tarfile
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import numpy as np

from tacref.data import iter_frames
from tacref_export import EncoderSession

PIECE = 1 << 16  # bytes of a body that are in memory at once


class RefusedError(Exception):
    """A request that is answered with a status and a message."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Service(ThreadingHTTPServer):
    """Holds the encoder and the limits; a thread for each connection."""

    daemon_threads = False  # requests that are being answered are finished before it ends

    def __init__(self, options: argparse.Namespace) -> None:
        self.session = EncoderSession(options.encoder, threads=options.threads)
        self.max_bytes = options.max_megabytes * 1_000_000
        self.max_frames, self.max_videos = options.max_frames, options.max_videos
        self.turns = threading.BoundedSemaphore(options.at_once)
        pictures = self.session.config.takes_pictures
        # Compiles what resizes pictures, so that the first request does not wait for it.
        shape = (1, 64, 64, 3) if pictures else (1, self.session.config.channels)
        self.session.embed(np.zeros(shape, np.uint8 if pictures else np.float32))
        self.suffix = ".video" if pictures else ".npy"  # what is in a video, its content says
        super().__init__((options.host, options.port), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say in one line what ended a connection: the client left, or took too long."""
        error = sys.exception()
        print(f"{client_address}: {type(error).__name__}: {error}", file=sys.stderr)

    def embed(self, path: Path, frames_left: int) -> tuple[np.ndarray, np.ndarray]:
        """Embed a file, in memory that does not grow with its length."""
        seconds: list[float] = []

        def frames() -> Iterator[np.ndarray]:
            for frame, second in iter_frames(path):
                if len(seconds) == frames_left:
                    raise RefusedError(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {self.max_frames} frames"
                    )
                seconds.append(second)
                yield frame

        rows = list(self.session.embed_stream(frames()))
        return np.concatenate(rows), np.array(seconds)


class Handler(BaseHTTPRequestHandler):
    """Answers one request, and closes the connection: requests are large and few."""

    server: Service
    protocol_version = "HTTP/1.1"  # for clients that ask before they send a large body
    timeout = 10  # seconds without a byte from the client
    body_bytes_left = 0

    def do_GET(self) -> None:
        """Say what runs."""
        if self.path != "/health":
            return self.refuse(HTTPStatus.NOT_FOUND, "GET /health or POST /embed")
        session = self.server.session
        described = {"encoder": session.config.name, "dim": session.config.dim}
        return self.answer(HTTPStatus.OK, "application/json", json.dumps(described).encode())

    def do_POST(self) -> None:
        """Embed what is in the body."""
        if self.path != "/embed":
            return self.refuse(HTTPStatus.NOT_FOUND, "GET /health or POST /embed")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            return self.refuse(HTTPStatus.LENGTH_REQUIRED, "Content-Length is required")
        self.body_bytes_left = int(length)
        if self.body_bytes_left > self.server.max_bytes:
            message = f"more than {self.server.max_bytes} bytes"
            return self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
        # Taken before the body is read: bodies lie on the disk.
        if not self.server.turns.acquire(blocking=False):
            return self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "busy; try again")
        try:
            answer = self.answer_to_body()
        finally:
            self.server.turns.release()  # before the client knows, who may have more
        if isinstance(answer, RefusedError):
            return self.refuse(answer.status, str(answer))
        return self.answer(HTTPStatus.OK, "application/octet-stream", answer)

    def answer_to_body(self) -> bytes | RefusedError:
        """Return an .npz, or why there is none."""
        try:
            with tempfile.TemporaryDirectory(prefix="tacref-service-") as folder:
                arrays = self.embed_body(Path(folder))
            file = io.BytesIO()
            np.savez(file, **arrays)  # type: ignore[arg-type]
            return file.getvalue()
        except RefusedError as error:
            return error
        except MemoryError:
            return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "not enough memory; try again")
        except (ConnectionError, TimeoutError):  # there is nobody to tell
            raise
        except Exception as error:  # its message may tell strangers about this machine
            self.log_error("%s: %s", type(error).__name__, error)
            return RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")

    def embed_body(self, folder: Path) -> dict[str, np.ndarray]:
        """Return the arrays of the answer."""
        body = folder / f"body{self.server.suffix}"
        self.keep_body(body)
        if self.headers.get_content_type() != "application/x-tar":
            embeddings, seconds = self.embed_file(body, "the video", self.server.max_frames)
            return {"embeddings": embeddings, "seconds": seconds}
        arrays: dict[str, np.ndarray] = {}
        frames_left = self.server.max_frames
        member = folder / f"member{self.server.suffix}"  # a stranger's name names no file here
        for name in self.unpack(body, member):
            # One after the other: together they would take longer, see docs/deployment.md.
            embeddings, seconds = self.embed_file(member, name, frames_left)
            frames_left -= len(seconds)
            arrays[f"{name}/embeddings"], arrays[f"{name}/seconds"] = embeddings, seconds
        if not arrays:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the tar archive holds no file")
        return arrays

    def embed_file(self, path: Path, name: str, frames_left: int) -> tuple[np.ndarray, np.ndarray]:
        """Embed a file; what is wrong with it is the client's to know, under the client's name."""
        try:
            return self.server.embed(path, frames_left)
        except RefusedError as error:
            raise RefusedError(error.status, f"{name}: {error}") from None
        except ValueError as error:
            message = str(error).replace(f"{path}: ", "").replace(str(path), name)
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"{name}: {message}") from None

    def keep_body(self, path: Path) -> None:
        """Write the body to a file."""
        with path.open("wb") as file:
            for piece in self.pieces():
                file.write(piece)
        if self.body_bytes_left:
            raise ConnectionError(f"{self.body_bytes_left} bytes of the body are missing")

    def pieces(self) -> Iterator[bytes]:
        """Yield the body, or what there is of it."""
        while piece := self.rfile.read(min(self.body_bytes_left, PIECE)):
            self.body_bytes_left -= len(piece)
            yield piece

    def unpack(self, path: Path, to: Path) -> Iterator[str]:
        """Yield the name of each file of a tar archive, with its content in the file `to`."""
        names: set[str] = set()
        try:
            with tarfile.open(path, "r:") as archive:  # not compressed: it cannot grow
                for member in archive:
                    if member.isdir():
                        continue
                    name = PurePosixPath(member.name).name
                    file = archive.extractfile(member) if member.isreg() else None
                    if file is None or member.issparse():  # whose holes take no bytes here
                        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{name!r} is not a plain file")
                    if not name.isprintable() or name in ("", ".."):
                        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{name!r} is not a name")
                    if name in names:
                        raise RefusedError(HTTPStatus.BAD_REQUEST, f"two files are named {name!r}")
                    if len(names) == self.server.max_videos:
                        raise RefusedError(
                            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                            f"more than {self.server.max_videos} videos",
                        )
                    names.add(name)
                    with to.open("wb") as out:
                        shutil.copyfileobj(file, out)
                    yield name
        except tarfile.TarError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"not a tar archive ({error})") from None

    def refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer with an error."""
        # Some clients read no answer before they have sent all, of which there may be too much.
        if self.body_bytes_left <= 2 * self.server.max_bytes:
            with suppress(OSError):
                deque(self.pieces(), maxlen=0)
        self.answer(status, "application/json", json.dumps({"error": message}).encode())

    def answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")  # which the base class does, too
        self.end_headers()
        self.wfile.write(body)


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("encoder", help="the exported file")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="0: any that is free")
    parser.add_argument("--threads", type=int, default=0, help="of onnxruntime; 0: it chooses")
    parser.add_argument("--at-once", type=int, default=2, help="requests embedded at a time")
    parser.add_argument("--max-megabytes", type=int, default=64, help="of a body")
    parser.add_argument("--max-frames", type=int, default=20_000, help="of a request")
    parser.add_argument("--max-videos", type=int, default=64, help="of a request")
    options = parser.parse_args()
    try:
        service = Service(options)
    except (OSError, ValueError, MemoryError) as error:
        print(f"service: {error}", file=sys.stderr)
        return 1

    def stop(*_: object) -> None:
        # `shutdown` waits for the loop that this handler interrupts.
        threading.Thread(target=service.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"serving on port {service.server_address[1]}", flush=True)
    with service:
        service.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
