"""A session held open connects to nothing and leaves no file behind."""

import os
import subprocess
import sys

import pytest

# As in a shell that knows none of the variables by which onnxruntime keeps quiet, in an empty home,
# with a proxy of its own for all that goes out. What onnxruntime 1.29 to 1.31 has to report, they
# try to send after nine seconds.
CODE = """
import os, socket, sys, threading, time
proxy = socket.create_server(("127.0.0.1", 0))
for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ[name] = "http://127.0.0.1:%d" % proxy.getsockname()[1]
requests = []
def answer():
    while True:
        connection, _ = proxy.accept()
        requests.append(connection.recv(200))
        connection.close()
threading.Thread(target=answer, daemon=True).start()
import numpy
from tacref_export import EncoderSession
import onnxruntime  # after this package, and before its first session
session = EncoderSession(sys.argv[1], threads=1)
session.embed(numpy.zeros((5, 6), "f4"))
time.sleep(11)
session.embed(numpy.zeros((5, 6), "f4"))
print(requests)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the home folder is set by other variables")
def test_a_session_reports_to_nobody(exported, tmp_path):
    for name in ("home", "cache", "scratch"):
        (tmp_path / name).mkdir()
    quiet = {"CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}
    environment = {name: value for name, value in os.environ.items() if name not in quiet}
    environment |= {
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "TMPDIR": str(tmp_path / "scratch"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(exported["features"].path)],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []
