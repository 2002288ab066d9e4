"""The page of `tacref export --web`, made once and served, and tabs in which it is open."""

import functools
import http.server
import threading

import pytest

from tacref.commands import main
from tacref.data import write_video
from tacref.encoder import EncoderConfig, build_encoder, save_encoder
from tests.browser.conftest import watched_page
from tests.browser.follow_page.scene import FPS, FRAMES, NAME, PACE, PHASES, scene
from tests.javascript import install
from tests.workers import made_once, shared_folder

COLLECT = """() => {
  window.seen = [];
  document.addEventListener("position", (event) => window.seen.push(event.detail));
  document.addEventListener("finished", () => { window.finished = true; });
}"""


def make(folder, ort):
    """Write the reference, a performance, labels, and a page of an encoder without training."""
    folder.mkdir()
    write_video(folder / NAME, (scene(frame) for frame in range(FRAMES)), FPS)
    write_video(folder / "performance.mp4", (scene(frame) for frame in PACE), FPS)
    rows = [(0, 25, PHASES[0]), (25, 50, PHASES[1]), (60, 75, PHASES[2])]
    lines = [f"{NAME},{start},{end},{phase}" for start, end, phase in rows]
    (folder / "phases.csv").write_text("\n".join(["video,start_frame,end_frame,phase", *lines]))
    config = EncoderConfig.default("small", size=32, dim=16, offsets=(-3, 0, 5))
    save_encoder(build_encoder(config, seed=1), folder / "run")
    return main([
        "export", str(folder / "run"), "--web", str(folder / "page"), "--ort", str(ort),
        "--reference", str(folder / NAME), "--phases", str(folder / "phases.csv"),
    ])  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return the folder that `make` wrote, with the page in `page`."""
    ort = install()
    folder = shared_folder(tmp_path_factory) / "follow_page"
    assert made_once(folder.with_suffix(".pickle"), functools.partial(make, folder, ort)) == 0
    return folder


@pytest.fixture(scope="session")
def address(folder):
    """Serve the page as `python -m http.server` does; return its address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=str(folder / "page"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def opened(browser, address, errors, *, scheme="light", size=(1280, 900)):
    """Open the page; note errors, and requests that leave the address."""
    page = watched_page(browser, errors, (address, f"blob:{address}"), scheme, size)
    page.goto(address)
    page.wait_for_selector("#camera:enabled")
    page.evaluate(COLLECT)
    return page


@pytest.fixture
def open_page(browser, address):
    """Open the page in a fresh tab; fail where its console has an error, or it asks for the net."""
    pages, errors = [], []

    def open_page(**options):
        pages.append(opened(browser, address, errors, **options))
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()
    assert errors == []


@pytest.fixture(name="opened")
def opened_fixture():
    """Return `opened`, for another browser."""
    return opened
