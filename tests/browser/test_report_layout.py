"""The report's layout and table in a real browser: wide, on a phone, on paper, with many clips."""

import numpy as np
import pytest

from tacref.alignment import align
from tacref.alignment.deviations import Deviation
from tacref.report import ReportVideo, write_report
from tests.browser.conftest import _clip, until
from tests.browser.test_report_in_browser import CONTRASTS, in_view

PHONE = {"is_mobile": True, "has_touch": True}
VISIBLE_READY = (
    "[...document.querySelectorAll('video')].filter(video => video.offsetParent)"
    ".every(video => video.readyState >= 2)"
)
LONG = "_of_a_name_without_any_space_in_it" * 3
# Boxes of what can be seen, by selector.
BOXES = """selector => [...document.querySelectorAll(selector)]
  .map(element => element.getBoundingClientRect()).filter(box => box.width)
  .map(box => [box.left, box.top, box.right, box.bottom])"""


def clip_of(frames, pace=1.0):
    return _clip(np.linspace(0, 1, frames) ** pace)


def write(folder, paces, deviations=None, **options):
    reference, x, times_x = clip_of(40)
    others = []
    for k, pace in enumerate(paces):
        frames, y, times_y = clip_of(30 + k % 7, pace)
        y = y + 0.02 * (k * 5 % 11)  # costs that do not rise with the number
        alignment = align(x, y, times_x=times_x, times_y=times_y)
        name = f"clip{k}{LONG if k == 2 else ''}.mp4"
        video = ReportVideo(name, frames, deviations=deviations)
        others.append((alignment, video))
    write_report(folder, ReportVideo("reference", reference), others, **options)
    return [alignment for alignment, _ in others]


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    folder = tmp_path_factory.mktemp("four")
    write(folder, (0.7, 1.0, 1.3), outliers=[1])
    return folder / "report.html"


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    deviations = [Deviation(3, 6, 3, 6, 0.5, 0.75, 8.5)]
    return write(folder, np.linspace(0.7, 1.5, 12), deviations), folder / "report.html"


@pytest.fixture
def open_report(open_tab):
    def open_report(path, **options):
        page = open_tab(path, **options)
        until(page, VISIBLE_READY)
        return page

    return open_report


def test_four_videos_are_two_by_two(four, open_report, keep):
    page = open_report(four)
    boxes = np.array(page.evaluate(BOXES, ".videos figure"))
    assert len(np.unique(boxes[:, 0].round())) == len(np.unique(boxes[:, 1].round())) == 2
    keep(page, "report-four")


@pytest.mark.parametrize(("width", "most"), [(1280, 4), (390, 2)])
def test_rows_of_videos_are_nearly_full(many, open_report, width, most):
    page = open_report(many[1], size=(width, 900))
    counts = []
    for name in "JKLDCBM":  # shows three more, then hides three, then shows one
        page.click(f"[aria-label='Show {name}']")
        boxes = np.array(page.evaluate(BOXES, ".videos figure"))
        lines = np.unique(boxes[:, 1].round(), return_counts=True)[1]
        counts.append(len(boxes))
        assert lines.max() <= most
        assert lines.max() - lines[1:].min(initial=lines.max()) <= 1
        assert width == 1280 or lines[0] == 2 - len(boxes) % 2  # the reference is wide
    assert sorted(counts) == [4, 5, 5, 5, 6, 6, 7]


@pytest.mark.parametrize("size", [(390, 844), (844, 390)])
def test_on_a_phone_play_is_always_within_reach(four, open_report, keep, size):
    page = open_report(four, size=size, **PHONE)
    height = page.evaluate("document.documentElement.scrollHeight")
    for place in np.linspace(0, height, 9):
        page.evaluate("place => scrollTo(0, place)", place)
        ((left, top, right, bottom),) = page.evaluate(BOXES, "#play")
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        assert (
            page.evaluate(
                "([x, y]) => document.elementFromPoint(x, y).id", [left + 5, (top + bottom) / 2]
            )
            == "play"
        )
    ((_, top, _, bottom),) = page.evaluate(BOXES, ".player")
    assert bottom - top < 120  # and does not take the screen
    page.evaluate("scrollTo(0, 0)")
    page.tap("#play")
    assert page.inner_text("#play") == "Pause"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(390, 844), (1280, 900)])
def test_groups_do_not_overflow_and_can_be_read(many, open_report, keep, scheme, size):
    page = open_report(many[1], scheme=scheme, size=size)
    page.click("#clips .pick[value='3']")  # it has a long name
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate("[...document.querySelectorAll('.rows')].every("
                         "rows => rows.scrollWidth <= rows.clientWidth)")  # fmt: skip
    assert min(page.evaluate(CONTRASTS)) >= 4.5
    keep(page, f"report-many-{scheme}-{size[0]}")


def test_keys_are_explained_where_there_are_keys(four, open_report):
    assert open_report(four).is_visible(".keys")
    assert open_report(four, size=(390, 844), **PHONE).is_hidden(".keys")


@pytest.mark.parametrize("width", [1280, 1000])
def test_no_empty_columns_or_areas(four, open_report, width):
    page = open_report(four, size=(width, 900))
    boxes = page.evaluate(BOXES, "#pair-1 .matrix, #pair-1 .aside > :last-child")
    assert len(boxes) == 2
    assert boxes[0][3] == pytest.approx(boxes[1][3], abs=2)  # both columns end together
    ((_, _, _, legend),) = page.evaluate(BOXES, "#pair-1 .legend:not([hidden])")
    ((_, caption, _, _),) = page.evaluate(BOXES, "#pair-1 figcaption")
    assert caption - legend < 160
    # What is between them is filled before anybody points: pictures and a line of text.
    assert page.is_visible("#pair-1 .peek")
    assert "cost" in page.inner_text("#hover-1")
    # The last row of the numbers is not far above the table.
    rows = page.evaluate(BOXES, "#pair-1 .numbers dd")
    gaps = np.diff([box[1] for box in rows])
    assert gaps.max() < 70


def test_the_expected_alignment_has_its_own_legend_and_caption(four, open_report):
    page = open_report(four)
    figure = page.locator("#pair-1 .matrix")
    before = figure.inner_text()
    assert "dark is alike" in before
    assert "likely" not in before
    page.check("#pair-1 [value=expected]")
    after = figure.inner_text()
    assert "bright is likely" in after
    assert "dark is alike" not in after
    assert "quared distance" not in after
    assert page.inner_text("#pair-1 .legend:not([hidden])").split() == ["unlikely", "likely"]
    assert "bright where they are likely" in page.get_attribute("#plot-1", "aria-label")
    page.check("#pair-1 [value=distances]")
    assert figure.inner_text() == before
    assert "dark where they are alike" in page.get_attribute("#plot-1", "aria-label")


def test_expected_is_bright_where_it_is_likely(four, open_report):
    page = open_report(four)
    brightness = page.evaluate(
        """async () => {
          const image = document.querySelector('#pair-1 img.expected');
          await image.decode();
          const canvas = document.createElement('canvas');
          [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
          const context = canvas.getContext('2d', { willReadFrequently: true });
          context.drawImage(image, 0, 0);
          const at = (x, y) => context.getImageData(x, y, 1, 1).data[1];
          return [at(0, 0), at(canvas.width - 1, 0)];
        }"""
    )
    assert brightness[0] > 150 > 50 > brightness[1]


def shown_letters(page):
    return [
        text[0] for text in page.locator(".videos figure:not([hidden]) .badge").all_inner_texts()
    ]


def test_of_many_clips_some_are_shown_and_others_can_be(many, open_report):
    page = open_report(many[1])
    assert shown_letters(page) == list("ABCD")
    page.check("[aria-label='Show J']")
    until(page, VISIBLE_READY)
    page.uncheck("[aria-label='Show B']")
    assert shown_letters(page) == list("ACDJ")
    page.fill("#seek", "1.2")
    until(page, "[...document.querySelectorAll('video')].every(video => !video.seeking)")
    video = page.locator("#view-9 video")
    due = page.evaluate("due(videos[9], 1.2)[0]")
    assert video.evaluate("video => video.currentTime") == pytest.approx(due, abs=0.05)
    page.click("#clips .pick[value='12']")
    assert shown_letters(page) == list("ACDJM")
    assert page.is_checked("[aria-label='Show M']")
    assert page.locator(".pair:not([hidden])").get_attribute("id") == "pair-12"
    assert page.inner_text("#pair-12 .names") == "A reference and M clip11.mp4"
    page.click("#play")
    until(page, "document.querySelector('#view-12 video').currentTime > 0.3")
    assert page.locator("#view-1 video").evaluate("video => video.paused")


def test_clips_are_sorted_by_cost_and_searched(many, open_report):
    alignments, path = many
    page = open_report(path)
    costs = np.array([alignment.mean_cost for alignment in alignments])
    rows = page.locator("#clips tr:not([hidden]) .pick")

    def numbers():
        return [int(value) - 1 for value in rows.evaluate_all("all => all.map(row => row.value)")]

    assert numbers() == list(range(12))
    page.click("[data-key=mean]")
    assert numbers() == np.argsort(costs, kind="stable").tolist() != list(range(12))
    assert page.get_attribute("th.mean", "aria-sort") == "ascending"
    assert page.locator("[aria-sort]").count() == 1
    page.click("[data-key=mean]")
    assert (np.diff(costs[numbers()]) <= 0).all()
    assert page.get_attribute("th.mean", "aria-sort") == "descending"
    page.click("[data-key=letter]")
    assert numbers() == list(range(12))
    page.fill("#search", "CLIP1")
    assert numbers() == [1, 10, 11]
    assert page.inner_text("#found") == "3 of 12"
    page.focus("#search")
    page.keyboard.type(" u")  # is text here, and no key of the player
    assert page.inner_text("#play") == "Play"
    assert page.is_checked("#aligned")
    assert numbers() == []
    page.fill("#search", "")
    assert len(numbers()) == 12


def test_the_keyboard_goes_through_the_page_in_order(four, open_report):
    page = open_report(four)
    places = []
    for _ in range(16):
        page.keyboard.press("Tab")
        places.append(
            page.evaluate(
                """() => {
                  const element = document.activeElement, box = element.getBoundingClientRect();
                  const style = getComputedStyle(element);
                  return [element.id || element.className || element.name, box.top + scrollY,
                          parseFloat(style.outlineWidth) * (style.outlineStyle !== 'none')];
                }"""
            )
        )
    order = [name for name, _, _ in places]
    assert order[:6] == ["play", "back", "forth", "seek", "speed", "aligned"]
    assert order[6] == "sort"
    assert "plot-1" not in order  # nothing can be done there with keys
    after = [top for name, top, _ in places[6:] if name]
    assert (np.diff(after) > -60).all()  # down the page, along each row
    assert min(width for _, _, width in places) >= 2  # and what has the focus shows it


def test_on_paper_there_are_no_controls(many, open_report, keep):
    page = open_report(many[1], scheme="dark", size=(718, 1000))  # A4 less its margins
    page.emulate_media(media="print", color_scheme="dark")
    for gone in ("#play", ".keys", "#search", ".shown", ".needle", "#pair-1 .choice"):
        assert page.locator(gone).first.is_hidden(), gone
    for there in ("h1", "#view-0", "#clips tr", "#plot-1", ".strip", "#pair-1 dl"):
        assert page.locator(there).first.is_visible(), there
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    rows = page.locator(".rows")  # none is cut off
    assert rows.evaluate("rows => rows.scrollHeight <= rows.clientHeight")
    ink = page.evaluate("getComputedStyle(document.querySelector('h1')).color")
    assert max(map(int, ink[4:-1].split(","))) < 60  # dark on white, whatever the screen has
    assert min(page.evaluate(CONTRASTS)) >= 4.5
    keep(page, "report-print")


def test_a_clip_that_has_ended_says_so(tmp_path, open_tab, keep):
    reference, x, times_x = clip_of(60)
    frames, y, times_y = _clip(np.linspace(0, 0.5, 30))
    alignment = align(x, y, times_x=times_x, times_y=times_y)
    write_report(tmp_path, ReportVideo("a", reference), [(alignment, ReportVideo("b", frames))])
    page = open_tab(tmp_path / "report.html")
    until(page, VISIBLE_READY)
    assert "ended" not in page.inner_text("#text-1")
    page.keyboard.press("End")
    until(page, "[...document.querySelectorAll('video')].every(video => !video.seeking)")
    assert page.inner_text("#text-1").endswith(", ended")
    assert page.inner_text("#pace-1") == "ended"
    assert "B ends when A is at 1." in page.inner_text("#pair-1 .ends")
    box = in_view(page, "#pair-1 .curve.tall")
    absent = page.locator("#pair-1 .curve.tall .absent").bounding_box()
    assert absent["x"] + absent["width"] == pytest.approx(box["x"] + box["width"], abs=3)
    assert absent["width"] / box["width"] == pytest.approx(0.5, abs=0.1)
    page.uncheck("#aligned")
    assert "ended" not in page.inner_text("#text-1")
    keep(page, "report-ended")
