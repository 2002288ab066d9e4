"""docs/examples/service as a process: its answers are a session's, and what is bad is refused."""

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tacref.data import write_video
from tacref_export import EncoderSession
from tests.export.exported_encoders import clip

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "examples" / "service"
SERVICE, CONTAINERFILE = FOLDER / "service.py", FOLDER / "Containerfile"
LIMITS = ("--max-megabytes", "1", "--max-frames", "60", "--max-videos", "3", "--at-once", "1")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it is ended by SIGTERM")


class Running(NamedTuple):
    process: subprocess.Popen
    port: int
    scratch: Path

    def ask(self, method="POST", path="/embed", body=None, **headers):
        """Return status and content of an answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    def refusal(self, *arguments, **more):
        """Return status and message of an answer that is an error."""
        status, content = self.ask(*arguments, **more)
        (message,) = json.loads(content).values()
        assert str(self.scratch) not in message
        return status, message

    def stop(self):
        """End it, and return its status and what it printed since it began to serve."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out + err


def start(path, folder):
    (scratch := folder / "scratch").mkdir()
    process = subprocess.Popen(
        [sys.executable, SERVICE, path, "--port", "0", *LIMITS],
        env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": f"{ROOT}:{ROOT / 'export'}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    line = process.stdout.readline()
    assert line.startswith("serving on port "), line + process.stderr.read()
    return Running(process, int(line.split()[-1]), scratch)


@pytest.fixture(scope="module")
def service(exported, tmp_path_factory):
    """A service that all tests here ask; it ends without a trace of any of them."""
    running = start(exported["small"].path, tmp_path_factory.mktemp("service"))
    yield running
    assert list(running.scratch.iterdir()) == []
    status, printed = running.stop()
    assert status == 0
    assert "Traceback" not in printed


@pytest.fixture(scope="module")
def videos(exported, tmp_path_factory):
    """Three videos of different length and size, as path to expected embeddings and seconds."""
    session = EncoderSession(exported["small"].path)
    folder = tmp_path_factory.mktemp("videos")
    for name, shape in (("a", (20, 48, 64)), ("b", (9, 64, 48)), ("c", (2, 48, 48))):
        write_video(folder / f"{name}.mp4", clip(session.config, *shape))
    return {path: session.embed_video(path) for path in sorted(folder.iterdir())}


def tar_of(*members):
    """Return an archive of names, contents and perhaps types."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content, *kind in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if kind:
                (member.type,), member.linkname = kind, "/etc/hostname"
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


TAR = {"Content_Type": "application/x-tar"}


def test_health(service):
    status, content = service.ask("GET", "/health")
    assert status == 200
    assert json.loads(content) == {"encoder": "small", "dim": 8}


def test_a_video(service, videos):
    for path, (embeddings, seconds) in videos.items():
        status, content = service.ask(body=path.read_bytes())
        assert status == 200
        with np.load(io.BytesIO(content)) as arrays:
            assert set(arrays) == {"embeddings", "seconds"}
            np.testing.assert_array_equal(arrays["embeddings"], embeddings)
            np.testing.assert_array_equal(arrays["seconds"], seconds)


def test_several_videos(service, videos):
    archive = tar_of(
        ("in/", b"", tarfile.DIRTYPE), *((f"in/{path.name}", path.read_bytes()) for path in videos)
    )
    status, content = service.ask(body=archive, **TAR)
    assert status == 200
    with np.load(io.BytesIO(content)) as arrays:
        assert len(arrays) == 2 * len(videos)
        for path, (embeddings, seconds) in videos.items():
            np.testing.assert_array_equal(arrays[f"{path.name}/embeddings"], embeddings)
            np.testing.assert_array_equal(arrays[f"{path.name}/seconds"], seconds)


def test_features(exported, tmp_path):
    session = EncoderSession(exported["features"].path)
    rows = clip(session.config, 30)
    np.save(tmp_path / "rows.npy", rows)
    service = start(exported["features"].path, tmp_path)
    status, content = service.ask(body=(tmp_path / "rows.npy").read_bytes())
    assert status == 200
    with np.load(io.BytesIO(content)) as arrays:
        np.testing.assert_allclose(arrays["embeddings"], session.embed(rows), atol=1e-6)
    wrong = io.BytesIO()
    np.save(wrong, rows[:, :5])
    assert service.refusal(body=wrong.getvalue())[0] == 400
    assert service.stop()[0] == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the video: not a video"),
        (b"no video" * 100, "the video: not a video, or cut off before its index"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "the video: not a video"),
    ],
)
def test_what_is_no_video(service, body, message):
    status, said = service.refusal(body=body)
    assert status == 400
    assert said.startswith(message)


def test_a_video_that_is_cut_off(service, videos):
    path = next(iter(videos))
    body = path.read_bytes()
    for size in (len(body) // 2, len(body) - 100):
        status, said = service.refusal(body=body[:size])
        assert status == 400
        assert said.startswith("the video: ")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "the tar archive holds no file"),
        ([("a/x.mp4", b"no video")], "x.mp4: not a video"),
        ([("x", b"", tarfile.SYMTYPE)], "'x' is not a plain file"),
        ([("x", b"", tarfile.LNKTYPE)], "'x' is not a plain file"),
        ([("x", b"", tarfile.FIFOTYPE)], "'x' is not a plain file"),
        ([("a/..", b"no video")], "'..' is not a name"),
        ([("a\nb", b"no video")], "'a\\nb' is not a name"),
    ],
)
def test_archives_that_are_refused(service, members, message):
    status, said = service.refusal(body=tar_of(*members), **TAR)
    assert status == 400
    assert said.startswith(message)


def test_what_is_no_archive(service, videos):
    path = next(iter(videos))
    status, said = service.refusal(body=path.read_bytes(), **TAR)
    assert status == 400
    assert said.startswith("not a tar archive")
    twice = [(f"{folder}/x.mp4", path.read_bytes()) for folder in "ab"]
    assert service.refusal(body=tar_of(*twice), **TAR) == (400, "two files are named 'x.mp4'")
    for size in (100, 700, len(path.read_bytes())):
        status, said = service.refusal(body=tar_of(*twice)[:size], **TAR)
        assert status == 400
        assert said.startswith("not a tar archive (")


def test_a_file_with_holes(service, tmp_path):
    if not shutil.which("tar"):
        pytest.skip("no tar here")
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(1 << 40)
    subprocess.run(["tar", "-cSf", "holes.tar", "holes"], cwd=tmp_path, check=True)
    body = (tmp_path / "holes.tar").read_bytes()
    assert service.refusal(body=body, **TAR) == (400, "'holes' is not a plain file")


def test_limits(service, videos, tmp_path):
    write_video(tmp_path / "long.mp4", np.zeros((61, 32, 32, 3), np.uint8))
    long = (tmp_path / "long.mp4").read_bytes()
    assert service.refusal(body=long) == (413, "the video: more than 60 frames")
    a = next(iter(videos)).read_bytes()  # 20 frames
    status, said = service.refusal(body=tar_of(*((name, a) for name in "wxyz")), **TAR)
    assert (status, said) == (413, "more than 3 videos")
    assert service.refusal(body=tar_of(("x", a), ("y", long)), **TAR)[1] == (
        "y: more than 60 frames"
    )
    assert service.refusal(body=bytes(1_000_001)) == (413, "more than 1000000 bytes")
    assert service.refusal(Content_Length=str(10**30)) == (413, "more than 1000000 bytes")


def test_requests_that_are_none(service):
    assert service.refusal("GET", "/embed")[0] == 404
    assert service.refusal("POST", "/", b"x")[0] == 404
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        chunks = b"POST /embed HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        connection.sendall(chunks)
        assert connection.recv(100).startswith(b"HTTP/1.1 411 ")
    for length in ("-1", "x", "1_0"):
        assert service.refusal(Content_Length=length)[0] == 411


def half_a_request(service):
    """Open a connection and send a request with half its body."""
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=60)
    connection.sendall(b"POST /embed HTTP/1.1\r\nContent-Length: 100\r\n\r\n" + bytes(50))
    until = time.monotonic() + 30
    while not list(service.scratch.iterdir()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return connection


def test_one_at_a_time_and_clients_that_leave(service, videos):
    path = next(iter(videos))
    with half_a_request(service):
        assert service.refusal(body=path.read_bytes()) == (503, "busy; try again")
        assert service.ask("GET", "/health")[0] == 200
    until = time.monotonic() + 30
    while (status := service.ask(body=path.read_bytes())[0]) == 503:
        assert time.monotonic() < until
    assert status == 200
    assert list(service.scratch.iterdir()) == []


def test_it_ends_once_its_requests_are_answered(exported, videos, tmp_path):
    path = next(iter(videos))
    body = path.read_bytes()
    service = start(exported["small"].path, tmp_path)
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        header = f"POST /embed HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(header.encode() + body[:-1])
        while not list(service.scratch.iterdir()):
            time.sleep(0.01)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        connection.sendall(body[-1:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
        while connection.recv(1 << 16):
            pass
    _, printed = service.process.communicate(timeout=60)
    assert service.process.returncode == 0
    assert "Traceback" not in printed
    assert list(service.scratch.iterdir()) == []


def test_what_is_no_encoder(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"x")
    done = subprocess.run(
        [sys.executable, SERVICE, tmp_path / "x.onnx", "--port", "0"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(r"service: .*x\.onnx: .*\n", done.stderr)


def test_the_container_file_copies_what_is_there():
    text = CONTAINERFILE.read_text("utf-8")
    copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ")]
    assert len(copied) == 4
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists(), name
    extras = (ROOT / "pyproject.toml").read_text("utf-8")
    assert re.search(r"'/src\[deploy-cpu\]'", text)
    assert re.search(r"^deploy-cpu = ", extras, re.MULTILINE)


@pytest.mark.download
def test_the_container(exported, videos, tmp_path):
    """Build the image and ask a service in it, whose user is nobody in particular.

    TACREF_CONTAINER_BASE is an image to use instead of that of the file.
    """
    if os.environ.get("TACREF_DOWNLOADS") != "1":
        pytest.skip("it downloads an image and packages; TACREF_DOWNLOADS=1 lets it")
    if not shutil.which("buildah"):
        pytest.skip("no buildah here")
    # What needs the fewest rights, as in a container itself.
    command = ["buildah", "--storage-driver", "vfs"]
    environment = {"BUILDAH_ISOLATION": "chroot", **os.environ}

    def buildah(*arguments):
        done = subprocess.run(
            [*command, *map(str, arguments)],
            env=environment, cwd=ROOT, capture_output=True, text=True, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    base = os.environ.get("TACREF_CONTAINER_BASE")
    argument = ("--build-arg", f"BASE={base}") if base else ()
    certificates = "/etc/ssl/certs:/etc/ssl/certs:ro"
    host = ("--network", "host", "-v", certificates)
    buildah("bud", *host, *argument, "-f", CONTAINERFILE, "-t", "tacref-service-test", ROOT)
    container = buildah("from", "localhost/tacref-service-test")
    shutil.copy(exported["small"].path, tmp_path / "encoder.onnx")
    for path in (tmp_path, tmp_path / "encoder.onnx"):
        path.chmod(0o755)
    python, service = "/opt/tacref/bin/python", "/opt/service.py"
    process = subprocess.Popen(
        [
            *command, "run", "--network", "host", "-v", f"{tmp_path}:/model:ro", container, "--",
            python, service, "/model/encoder.onnx", "--port", "0",
        ],
        env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        running = Running(process, int(process.stdout.readline().split()[-1]), tmp_path)
        for path, (embeddings, _) in videos.items():
            status, content = running.ask(body=path.read_bytes())
            assert status == 200
            with np.load(io.BytesIO(content)) as arrays:
                np.testing.assert_allclose(arrays["embeddings"], embeddings, atol=1e-5)
        found = subprocess.run(
            ["pgrep", "--uid", "10001", "--full", f"^{python} {service}"], capture_output=True
        )
        assert found.stdout
    finally:
        process.terminate()
        process.communicate(timeout=60)
        buildah("rm", container)
        buildah("rmi", "localhost/tacref-service-test")
