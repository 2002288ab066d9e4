"""The page of `tacref export --web` in Chromium: a video and a fake camera are followed."""

import functools
import http.server
import json
import shutil
import threading

import numpy as np
import pytest

from tacref.commands import main
from tacref.data import write_video
from tacref.encoder import EncoderConfig, build_encoder, save_encoder
from tests.browser.conftest import OPTIONS
from tests.browser.test_report_in_browser import CONTRASTS
from tests.javascript import install

NAME = "<img src=x onerror=window.hit=1>.mp4"
PHASES = ("rise", "</text><script>window.hit=1</script>", "fall")
FPS, FRAMES, SIZE = 25.0, 75, 64
# The performance: slower, a pause, off the script, and on to the end.
AWAY = None
PACE = [*np.repeat(np.arange(12), 2).tolist(), *range(12, 40), *[40] * 12, *[AWAY] * 15, *range(41, 75)]
ON_SCRIPT = np.array([frame is not AWAY for frame in PACE])
TRUE = np.array([frame for frame in PACE if frame is not AWAY])
COLLECT = """() => {
  window.seen = [];
  document.addEventListener("position", (event) => window.seen.push(event.detail));
  document.addEventListener("finished", () => { window.finished = true; });
}"""


def scene(frame):
    """A picture that tells its frame: two bars that cross it at different speeds, and a color."""
    if frame is AWAY:
        return np.tile(np.uint8([[[250, 20, 20], [255, 255, 255]]]), (SIZE, SIZE // 2, 1))
    share = frame / (FRAMES - 1)
    picture = np.full((SIZE, SIZE, 3), (40, 60 + 150 * share, 200 - 150 * share), np.uint8)
    left, top = round((SIZE - 16) * share), round((SIZE - 16) * share**2)
    picture[:, left : left + 16] = (230, 220, 60)
    picture[top : top + 16] = (20, 30, 120)
    return picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the reference, a performance, an encoder, and their page in `page`."""
    ort = install()
    folder = tmp_path_factory.mktemp("follow")
    write_video(folder / NAME, (scene(frame) for frame in range(FRAMES)), FPS)
    write_video(folder / "performance.mp4", (scene(frame) for frame in PACE), FPS)
    rows = [(0, 25, PHASES[0]), (25, 50, PHASES[1]), (60, 75, PHASES[2])]
    lines = [f"{NAME},{start},{end},{phase}" for start, end, phase in rows]
    (folder / "phases.csv").write_text("\n".join(["video,start_frame,end_frame,phase", *lines]))
    config = EncoderConfig.default("small", size=32, dim=16, offsets=(-3, 0, 5))
    save_encoder(build_encoder(config, seed=1), folder / "run")
    assert main([
        "export", str(folder / "run"), "--web", str(folder / "page"), "--ort", str(ort),
        "--reference", str(folder / NAME), "--phases", str(folder / "phases.csv"),
    ]) == 0  # fmt: skip
    return folder


@pytest.fixture(scope="module")
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
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": size[0], "height": size[1]}
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", lambda message: errors.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((address, f"blob:{address}"))
            else errors.append(f"asked for {request.url}")
        ),
    )
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


def followed(page, until, path):
    page.set_input_files("#file", str(path))
    until(page, "window.finished")
    return page.evaluate("window.seen")


def check_true(seen):
    """Check positions, which an encoder that has not been trained finds almost exactly."""
    apart = np.abs(np.array([each["frame"] for each in seen])[ON_SCRIPT] - TRUE)
    assert np.median(apart) == 0
    assert apart.max() <= 8


def by_python(folder, capsys, *more):
    capsys.readouterr()
    assert main([
        "follow", str(folder / "performance.mp4"), "--reference", str(folder / NAME), "--encoder",
        str(folder / "page" / "encoder.onnx"), "--phases", str(folder / "phases.csv"), "--json",
        *more,
    ]) == 0  # fmt: skip
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("anywhere", [False, True])
def test_a_video_is_followed_as_python_follows_it(open_page, until, folder, capsys, anywhere):
    expected = by_python(folder, capsys, *["--open-begin"] * anywhere)
    page = open_page()
    if anywhere:
        page.check("#open-begin")
    seen = followed(page, until, folder / "performance.mp4")
    assert [each["index"] for each in seen] == list(range(len(PACE)))
    # Browsers round the colors of a video in another way: up to a few levels of 255.
    found = np.array([each["frame"] for each in seen])
    apart = np.abs(found - [other["reference_frame"] for other in expected])
    assert apart.max() <= 2
    assert (apart == 0).mean() > 0.8
    off_script = np.array([each["offScript"] for each in seen])
    assert (off_script != [other["off_script"] for other in expected]).sum() <= 2
    apart = np.subtract(*([each["confidence"] for each in of] for of in (seen, expected)))
    assert (np.abs(apart) < 0.1).mean() > 0.95  # it falls steeply where the script is left
    assert {each["phase"] for each in seen} == {*PHASES, None}
    # And what both say is true.
    assert off_script[~ON_SCRIPT].mean() > 0.5
    check_true(seen)


def test_what_is_shown(open_page, until, folder):
    page = open_page()
    assert page.inner_text("#title") == f"Follow {NAME}"
    assert page.locator("#phases text").all_text_contents() == list(PHASES)
    last = followed(page, until, folder / "performance.mp4")[-1]
    assert page.inner_text("#state") == PHASES[2]
    assert page.inner_text("#reference-time") == f"{last['frame'] / FPS:.2f} s of 3.00 s"
    assert page.inner_text("#performer-time") == f"{(len(PACE) - 1) / FPS:.2f} s"
    assert page.inner_text("#percent") == f"{100 * last['confidence']:.0f} %"
    assert page.inner_text("#speed").endswith("possible")
    assert float(page.get_attribute("#bar", "aria-valuenow")) == pytest.approx(last["frame"] / FPS)
    left = float(page.evaluate("document.getElementById('needle').style.left").rstrip("%"))
    assert left == pytest.approx(100 * (last["frame"] + 0.5) / FRAMES, abs=1e-3)
    # The frame of the reference, and that of the performance, are the ones that were found.
    until(page, "!document.getElementById('reference').seeking")
    for element, frame in (("reference", last["frame"]), ("shown", PACE[-1])):
        assert np.abs(picture(page, element) - scene(frame).mean((0, 1))).max() < 4
    assert page.evaluate("window.hit") is None
    assert page.is_hidden("#stop")
    assert page.is_enabled("#camera")


def picture(page, element):
    """Mean color of what an element shows."""
    return np.array(page.evaluate("""(id) => {
      const made = new OffscreenCanvas(64, 64).getContext("2d");
      made.drawImage(document.getElementById(id), 0, 0, 64, 64);
      const { data } = made.getImageData(0, 0, 64, 64), sums = [0, 0, 0];
      for (let k = 0; k < data.length; k++) if (k % 4 < 3) sums[k % 4] += data[k] / 4096;
      return sums;
    }""", element))  # fmt: skip


def test_a_video_can_be_stopped_and_another_one_begun(open_page, until, folder):
    page = open_page()
    page.set_input_files("#file", str(folder / "performance.mp4"))
    until(page, "window.seen.length > 5")
    page.click("#stop")
    until(page, "window.finished")
    assert len(page.evaluate("window.seen")) < len(PACE)
    page.evaluate("() => { window.seen.length = 0; window.finished = false; }")
    seen = followed(page, until, folder / "performance.mp4")
    check_true(seen)


def test_the_keyboard_chooses_a_file(open_page):
    page = open_page()
    page.focus("#choose")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    assert not chooser.value.is_multiple()


def test_what_is_no_video(open_page, until, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    page = open_page()
    page.set_input_files("#file", str(tmp_path / "broken.mp4"))
    until(page, "!document.getElementById('message').hidden")
    assert page.inner_text("#message") == "This browser cannot play that video."
    assert page.is_enabled("#choose")


def test_no_camera(open_page, until):
    page = open_page()
    page.click("#camera")
    until(page, "!document.getElementById('message').hidden")
    assert page.inner_text("#message") == "There is no camera."
    assert page.is_enabled("#camera")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("NotAllowedError", "The camera is not allowed: the browser's settings of this page permit"),
        ("NotReadableError", "The camera cannot be used: busy"),
    ],
)
def test_a_camera_that_fails(open_page, until, error, message):
    page = open_page()
    page.evaluate(
        """(name) => {
          navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("busy", name));
        }""",
        error,
    )
    page.click("#camera")
    until(page, "!document.getElementById('message').hidden")
    assert page.inner_text("#message").startswith(message)


def test_opened_as_a_file(browser, folder):
    page = browser.new_page()
    try:
        page.goto((folder / "page" / "index.html").as_uri())
        assert "python -m http.server" in page.inner_text("#message")
        assert page.is_disabled("#camera")
    finally:
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)])
def test_layouts_do_not_overflow_and_can_be_read(open_page, until, keep, folder, scheme, size):
    page = open_page(scheme=scheme, size=size)
    for name, ready in (("start", "true"), ("running", "window.seen.length > 40")):
        if name == "running":
            page.set_input_files("#file", str(folder / "performance.mp4"))
        until(page, ready)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        outside = page.evaluate(
            """() => [...document.querySelectorAll('main *')].filter(element => {
                 const box = element.getBoundingClientRect();
                 return box.width && !element.closest('svg') &&
                   (box.left < -1 || box.right > innerWidth + 1);
               }).map(element => element.outerHTML.slice(0, 80))"""
        )
        assert outside == []
        assert min(page.evaluate(CONTRASTS)) >= 4.5  # WCAG AA
        keep(page, f"follow-{name}-{scheme}-{size[0]}")


@pytest.fixture(scope="module")
def camera(browser, folder):
    """Return a Chromium whose camera shows the reference, over and over."""
    from playwright.sync_api import Error

    video = folder / "camera.y4m"
    with video.open("wb") as file:
        file.write(f"YUV4MPEG2 W{SIZE} H{SIZE} F25:1 Ip A1:1 C420jpeg\n".encode())
        for frame in range(FRAMES):
            file.write(b"FRAME\n" + yuv(scene(frame)))
    try:
        made = browser.browser_type.launch(
            executable_path=browser_path(),
            headless=True,
            args=[
                *OPTIONS,
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={video}",
                "--host-resolver-rules=MAP page.test 127.0.0.1",
            ],
        )
    except Error as error:
        pytest.fail(str(error))
    yield made
    made.close()


def browser_path():
    import os

    return os.environ.get("TACREF_CHROMIUM") or shutil.which("chromium")


def yuv(picture):
    """Bytes of a picture in YUV 4:2:0, BT.601, limited range."""
    r, g, b = np.moveaxis(picture.astype(float), 2, 0) / 255
    y = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    u = 128 - 37.797 * r - 74.203 * g + 112 * b
    v = 128 + 112 * r - 93.786 * g - 18.214 * b
    halves = [each.reshape(SIZE // 2, 2, SIZE // 2, 2).mean((1, 3)) for each in (u, v)]
    return b"".join(np.rint(each).astype(np.uint8).tobytes() for each in (y, *halves))


def test_a_camera_is_followed(camera, address, until, keep):
    errors = []
    page = opened(camera, address, errors)
    page.check("#open-begin")  # the camera began with the browser
    page.click("#camera")
    until(page, "window.seen.length >= 30")
    assert page.is_visible("#live")
    assert page.is_hidden("#shown")
    keep(page, "follow-camera-light-1280")
    page.click("#stop")
    until(page, "window.finished")
    assert page.is_hidden("#live")
    frames = np.array([each["frame"] for each in page.evaluate("window.seen")])
    page.context.close()
    assert errors == []
    # The camera runs at the rate of the reference, from anywhere, up to where it begins again.
    moved = np.diff(frames[5:])
    assert ((moved >= 0) & (moved <= 3)).mean() > 0.9
    assert frames.max() - frames.min() > 10


def test_a_page_that_may_not_have_the_camera(camera, address, until):
    page = opened(camera, address.replace("127.0.0.1", "page.test"), [])
    page.click("#camera")
    until(page, "!document.getElementById('message').hidden")
    assert page.inner_text("#message").startswith("Browsers give the camera only to https://")
    page.context.close()
