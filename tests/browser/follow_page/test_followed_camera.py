"""A camera on the page: one that Chromium fakes, none at all, and one that may not be used."""

import numpy as np
import pytest

from tests.browser.conftest import OPTIONS
from tests.browser.follow_page.scene import FRAMES, SIZE, scene

# For each position, also the mean color of the live picture then.
COLLECT_COLORS = """() => {
  window.colors = [];
  const made = new OffscreenCanvas(64, 64).getContext("2d", { willReadFrequently: true });
  document.addEventListener("position", () => {
    made.drawImage(document.getElementById("live"), 0, 0, 64, 64);
    const { data } = made.getImageData(0, 0, 64, 64), sums = [0, 0, 0];
    for (let k = 0; k < data.length; k++) if (k % 4 < 3) sums[k % 4] += data[k] / 4096;
    window.colors.push(sums);
  });
}"""


@pytest.fixture(scope="module")
def camera(browser, chromium, tmp_path_factory):
    """Return a Chromium whose camera shows the reference, over and over."""
    video = tmp_path_factory.mktemp("camera") / "camera.y4m"
    with video.open("wb") as file:
        file.write(f"YUV4MPEG2 W{SIZE} H{SIZE} F25:1 Ip A1:1 C420jpeg\n".encode())
        for frame in range(FRAMES):
            file.write(b"FRAME\n" + yuv(scene(frame)))
    options = [
        *OPTIONS,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={video}",
        "--host-resolver-rules=MAP page.test 127.0.0.1",
    ]
    made = browser.browser_type.launch(executable_path=chromium, headless=True, args=options)
    yield made
    made.close()


def yuv(picture):
    """Bytes of a picture in YUV 4:2:0, BT.601, limited range."""
    r, g, b = np.moveaxis(picture.astype(float), 2, 0) / 255
    y = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    u = 128 - 37.797 * r - 74.203 * g + 112 * b
    v = 128 + 112 * r - 93.786 * g - 18.214 * b
    halves = [each.reshape(SIZE // 2, 2, SIZE // 2, 2).mean((1, 3)) for each in (u, v)]
    return b"".join(np.rint(each).astype(np.uint8).tobytes() for each in (y, *halves))


def test_a_camera_is_followed(camera, opened, address, until, keep):
    errors = []
    page = opened(camera, address, errors)
    page.evaluate(COLLECT_COLORS)
    page.check("#open-begin")  # the camera began with the browser
    page.click("#camera")
    until(page, "window.seen.length >= 30")
    assert page.is_visible("#live")
    assert page.is_hidden("#shown")
    keep(page, "follow-camera-light-1280")
    page.click("#stop")
    until(page, "window.finished")
    assert page.is_hidden("#live")
    seen, colors = page.evaluate("[window.seen.slice(0, 30), window.colors.slice(0, 30)]")
    page.context.close()
    assert errors == []
    found = np.array([each["frame"] for each in seen])
    assert ((np.diff(found[3:]) >= 0) & (np.diff(found[3:]) <= 3)).mean() > 0.8
    # The live picture is ahead: by five frames, for which an embedding waits, and those that are on
    # their way. It begins again after the last frame, the position does not.
    means = np.array([scene(frame).mean((0, 1)) for frame in range(FRAMES)])
    shown = np.abs(means - np.array(colors)[:, None]).sum(axis=2).argmin(axis=1)
    ahead = (shown - found)[3:]
    assert ((ahead >= 2) & (ahead <= 20)).mean() > 0.6
    assert 4 <= np.median(ahead) <= 16


def test_a_page_that_may_not_have_the_camera(camera, opened, address, until):
    page = opened(camera, address.replace("127.0.0.1", "page.test"), [])
    page.click("#camera")
    until(page, "!document.getElementById('message').hidden")
    assert page.inner_text("#message").startswith("Browsers give the camera only to https://")
    page.context.close()


def test_no_camera(open_page, until):
    page = open_page()
    page.click("#camera")
    until(page, "!document.getElementById('message').hidden")
    assert page.inner_text("#message") == "There is no camera."
    assert page.is_enabled("#camera")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("NotAllowedError", "The camera is not allowed: the browser's settings of this page"),
        ("NotReadableError", "The camera cannot be used: busy"),
    ],
)
def test_a_camera_that_fails(open_page, until, error, message):
    page = open_page()
    page.evaluate(
        """(name) => {
          const fail = () => Promise.reject(new DOMException("busy", name));
          navigator.mediaDevices.getUserMedia = fail;
        }""",
        error,
    )
    page.click("#camera")
    until(page, "!document.getElementById('message').hidden")
    assert page.inner_text("#message").startswith(message)
