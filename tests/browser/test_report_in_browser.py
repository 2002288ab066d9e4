"""The report in a real browser: in step, seekable, driven by keys, escaped, in any layout."""

import io

import numpy as np
import pytest
from PIL import Image

FRAME = 1 / 25
TIMES = "[...document.querySelectorAll('video')].map(video => video.currentTime)"
SETTLED = "[...document.querySelectorAll('video')].every(video => !video.seeking)"
# The times of both videos at every picture that the page draws, until it stops playing.
WATCH = """() => new Promise(done => {
  const videos = [...document.querySelectorAll('video')], seen = [];
  const play = document.getElementById('play');
  play.click();
  (function watch() {
    seen.push(videos.map(video => video.currentTime));
    if (play.textContent === 'Pause') requestAnimationFrame(watch);
    else done(seen);
  })();
})"""


@pytest.fixture
def settled(until):
    """Return the videos' times, once they are where they were sent."""

    def settled(page):
        until(page, SETTLED)
        return page.evaluate(TIMES)

    return settled


def cell_at(times):
    return np.minimum((np.asarray(times) / FRAME + 1e-6).astype(int), (74, 99))


def in_view(page, selector):
    """Scroll to an element and return its box in the window."""
    page.locator(selector).evaluate("element => element.scrollIntoView({block: 'center'})")
    return page.locator(selector).bounding_box()


def off_path(alignment, seen):
    """Distance of two times from the path in frames, the larger of the two videos'."""
    frames = np.asarray(seen) / FRAME - 0.5  # a frame's middle is where it is
    return np.abs(frames[:, None] - alignment.path[None]).max(-1).min(-1)


def test_plays_in_step_from_start_to_end(open_page, alignment_and_report):
    alignment, _ = alignment_and_report
    seen = np.array(open_page().evaluate(WATCH))
    assert seen[-1][0] > 2.9  # to the end
    assert seen[-1][1] > 3.8
    assert len(seen) > 30
    # Not frame by frame: between two pictures both move on a little.
    assert (np.diff(seen, axis=0) >= -0.021).all()
    late = off_path(alignment, seen)
    # Within a frame all along; a browser that was kept from drawing may be late once.
    assert np.quantile(late, 0.95) <= 1.0
    assert late.max() < 3.0


def test_faster_and_unaligned(open_page):
    page = open_page()
    page.select_option("#speed", "2")
    page.keyboard.press("u")
    assert not page.is_checked("#aligned")
    page.keyboard.press("U")  # as with Shift or Caps Lock
    assert page.is_checked("#aligned")
    page.keyboard.press("u")
    seen = np.array(page.evaluate(WATCH))
    assert np.quantile(np.abs(seen[:, 0] - seen[:, 1]), 0.9) < 3 * FRAME  # at one pace
    assert seen[-1][0] > 2.9
    assert page.evaluate("document.querySelector('video').playbackRate") == 2


def test_a_click_on_the_matrix_seeks_both(open_page, alignment_and_report, settled):
    alignment, _ = alignment_and_report
    page = open_page()
    box = in_view(page, "#plot-1")
    for right, down in ((0.2, 0.2), (0.75, 0.7)):
        page.mouse.click(box["x"] + right * box["width"], box["y"] + down * box["height"])
        times = settled(page)
        wanted = np.array((down * 75, right * 100))
        nearest = alignment.path[
            (((alignment.path + 0.5 - wanted) / (75, 100)) ** 2).sum(1).argmin()
        ]
        assert np.abs(cell_at(times) - nearest).max() <= 6
        assert off_path(alignment, [times]).max() <= 1.0
    page.uncheck("#aligned")  # then each where the click says
    box = in_view(page, "#plot-1")
    page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.9 * box["height"])
    assert np.abs(cell_at(settled(page)) - (67, 30)).max() <= 1


def test_pointing_at_the_matrix_tells_frames_and_cost(open_page, until):
    page = open_page()
    box = in_view(page, "#plot-1")
    page.mouse.move(box["x"] + 0.995 * box["width"], box["y"] + 0.002 * box["height"])
    text = page.inner_text("#hover-1")
    assert "A 0.00 s (frame 0), B 3.96 s (frame 99): cost 4.0" in text  # opposite: 2 squared
    page.mouse.move(1, 1)  # then the frames that the videos show
    assert page.inner_text("#hover-1") == "A 0.00 s (frame 0), B 0.00 s (frame 0): cost 0.00"
    assert page.is_visible("#pair-1 .peeks")
    page.keyboard.press("End")
    until(page, SETTLED)
    assert "A 2.96 s (frame 74), B 3.96 s (frame 99): cost 0.00" in page.inner_text("#hover-1")


def test_pointing_at_the_matrix_shows_both_frames(open_page, keep):
    page = open_page()
    box = in_view(page, "#plot-1")
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.7 * box["height"])
    assert page.is_visible("#pair-1 .peeks")
    for k, progress in enumerate((0.7, 0.2**0.7)):
        # The bar's left edge, as a share of the picture's width, from a screenshot of it.
        shot = page.locator("#pair-1 .peek").nth(k).screenshot()
        row = np.asarray(Image.open(io.BytesIO(shot)).convert("L"))[-8]
        bar = np.flatnonzero(row > 128)
        # 48 pictures of the video: half of a 47th of the way, and a pixel or two
        assert bar[0] / len(row) == pytest.approx(80 / 96 * progress, abs=0.03)
        assert len(bar) / len(row) == pytest.approx(16 / 96, abs=0.03)
    keep(page, "report-pointing")


def test_keys(open_page, alignment_and_report, settled, until):
    alignment, _ = alignment_and_report
    page = open_page()
    for key, frame in (
        ("ArrowRight", 1),
        ("Shift+ArrowRight", 11),
        ("ArrowLeft", 10),
        ("End", 74),
        ("Home", 0),
        ("ArrowLeft", 0),
    ):
        page.keyboard.press(key)
        times = settled(page)
        assert cell_at(times)[0] == frame, key
        assert off_path(alignment, [times]).max() <= 1.0
    page.keyboard.press("Space")
    assert page.inner_text("#play") == "Pause"
    until(page, "document.querySelector('video').currentTime > 0.2")
    page.keyboard.press("Space")
    assert page.inner_text("#play") == "Play"
    assert page.evaluate("[...document.querySelectorAll('video')].every(video => video.paused)")


def test_slider_curves_and_moments_seek(open_page, settled):
    page = open_page()
    page.fill("#seek", "1.5")
    assert settled(page)[0] == pytest.approx(1.5, abs=FRAME)
    assert "1.50 of 3.00 seconds" in page.get_attribute("#seek", "aria-valuetext")
    curve = page.locator("[data-seek]").first
    box = curve.bounding_box()
    curve.click(position={"x": 0.25 * box["width"], "y": 10})
    assert settled(page)[0] == pytest.approx(0.75, abs=FRAME)
    moment = page.locator(".moment").first
    frame = int(moment.get_attribute("data-frame"))
    moment.click()
    assert cell_at(settled(page))[0] == frame
    page.check("[value=expected]")
    assert page.is_visible("img.expected")
    assert page.is_hidden("img.distances")


def test_names_and_labels_are_text(open_page, names, phases, until):
    page = open_page()
    assert page.locator("bdi").all_inner_texts() == list(names)
    assert page.title() == f"{names[0]} and {names[1]}"
    page.keyboard.press("End")
    until(page, "document.querySelector('video').currentTime > 2.9")
    assert page.inner_text("#phase-0") == phases[1]
    shown = [phases[0], phases[1], phases[1], phases[0]]  # the second one has a gap
    assert page.locator(".phases text").all_text_contents() == shown
    assert page.evaluate("window.hit === undefined")


def test_a_gap_between_phases_shows_none(open_page, phases, gap, settled):
    page = open_page()
    for frame, phase in (
        (gap[0] - 1, phases[1]), (gap[0], ""), (gap[1] - 1, ""), (gap[1], phases[1]),
    ):  # fmt: skip
        page.fill("#seek", str((frame + 0.5) * FRAME))
        assert cell_at(settled(page))[0] == frame
        assert page.inner_text("#phase-0") == phase
    bar = page.locator(".bar").first.bounding_box()
    box = page.locator(".bar .gap").bounding_box()
    assert (box["x"] - bar["x"]) / bar["width"] == pytest.approx(gap[0] / 75, abs=0.005)
    assert box["width"] / bar["width"] == pytest.approx((gap[1] - gap[0]) / 75, abs=0.005)


def test_deviations_are_marked_and_lead_to_their_place(open_page, deviation, settled, keep):
    page = open_page()
    for place, (start, end), frames in (
        (".curve", deviation[:2], 75), (".bar", deviation[2:4], 100),
    ):  # fmt: skip
        mark = page.locator(f"{place} .deviation").bounding_box()
        around = page.locator(f"{place}:has(.deviation)").bounding_box()
        left = (mark["x"] - around["x"]) / around["width"]
        assert left == pytest.approx(start / frames, abs=0.01)
        assert mark["width"] / around["width"] == pytest.approx((end - start) / frames, abs=0.01)
    cells = page.locator(".deviations tbody td").all_inner_texts()
    assert cells == ["0.80 to 1.60 s", "1.20 to 1.80 s", "0.5", "0.75", "8.5"]
    page.click(".deviations button")
    assert cell_at(settled(page))[0] == deviation.start_x
    keep(page, "report-deviations")


@pytest.mark.parametrize(
    ("scheme", "size"),
    [("light", (1280, 900)), ("dark", (1280, 900)), ("light", (360, 740)), ("dark", (768, 1024))],
)
def test_layouts_do_not_overflow_and_can_be_read(open_page, keep, scheme, size):
    page = open_page(scheme, size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    outside = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(element => {
             const box = element.getBoundingClientRect();
             return box.width && !element.closest('svg') && !element.closest('.hidden') &&
               (box.left < -1 || box.right > innerWidth + 1);
           }).map(element => element.outerHTML.slice(0, 80))"""
    )
    assert outside == []
    assert min(page.evaluate(CONTRASTS)) >= 4.5  # WCAG AA
    keep(page, f"report-{scheme}-{size[0]}")


# Contrast of each piece of text with the nearest background behind it.
CONTRASTS = """() => {
  const numbers = color => color.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = color => {
    const [r, g, b] = numbers(color).map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if ((numbers(color)[3] ?? 1) > 0) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = 'h1, h2, p, dt, dd, td, th, label, output, button, bdi, figcaption span, kbd';
  return [...document.querySelectorAll(texts)]
    .filter(element => element.innerText.trim() && element.offsetParent)
    .map(element => {
      const pair = [light(getComputedStyle(element).color), light(behind(element))];
      return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    });
}"""
