"""The report of a part in a real browser: the long video starts at the match, and ends with it."""

import numpy as np
import pytest

from tacref.alignment import align
from tacref.report import ReportVideo, write_report
from tests.browser.conftest import FPS, PHASES, _clip
from tests.browser.test_report_in_browser import FRAME, TIMES, WATCH, in_view, off_path

BEFORE, MATCH, AFTER, SHORT = 25, 40, 15, 60
SETTLED = "[...document.querySelectorAll('video')].every(video => !video.seeking)"


@pytest.fixture(scope="module")
def alignment_and_report(tmp_path_factory):
    """Return the alignment of a clip with part of another, and the report's path."""
    folder = tmp_path_factory.mktemp("part")
    reference, x, times_x = _clip(np.linspace(0, 1, SHORT))
    bar = np.concatenate((np.zeros(BEFORE), np.linspace(0, 1, MATCH) ** 1.2, np.ones(AFTER)))
    other, y, times_y = _clip(bar)
    y[:BEFORE] = y[len(y) - AFTER :] = (3.0, -3.0)  # like nothing in x
    alignment = align(x, y, times_x=times_x, times_y=times_y, open_begin="y", open_end="y")
    assert alignment.path[0].tolist() == [0, BEFORE]
    assert alignment.path[-1].tolist() == [SHORT - 1, len(y) - AFTER - 1]
    labels = [None] * BEFORE + [PHASES[0]] * MATCH + [None] * AFTER
    write_report(
        folder,
        ReportVideo("short", reference, [PHASES[0]] * SHORT),
        [(alignment, ReportVideo("long", other, labels, True))],
    )
    return alignment, folder / "report.html"


def test_plays_the_match_and_nothing_else(open_page, alignment_and_report, keep):
    alignment, _ = alignment_and_report
    page = open_page()
    keep(page, "part")
    page.keyboard.press("Home")
    seen = np.array(page.evaluate(WATCH))
    assert seen[0][1] >= (BEFORE - 1) * FRAME
    assert seen[-1][0] > SHORT / FPS - 0.1
    assert abs(seen[-1][1] - (BEFORE + MATCH) / FPS) < 3 * FRAME
    late = off_path(alignment, seen)
    # Within a frame all along; a browser that was kept from drawing may be late once.
    assert np.quantile(late, 0.95) <= 1.0


def test_a_click_before_the_match_goes_to_its_begin(open_page, until):
    page = open_page()
    box = in_view(page, "#plot-1")
    page.mouse.click(box["x"] + 0.02 * box["width"], box["y"] + 0.02 * box["height"])
    until(page, SETTLED)
    times = page.evaluate(TIMES)
    assert times[0] < 5 * FRAME
    assert abs(times[1] - BEFORE * FRAME) < 5 * FRAME
    page.uncheck("#aligned")  # then exactly there
    box = in_view(page, "#plot-1")
    page.mouse.click(box["x"] + 0.02 * box["width"], box["y"] + 0.02 * box["height"])
    until(page, SETTLED)
    assert page.evaluate(TIMES)[1] < 4 * FRAME


def test_phases_are_those_of_the_match(open_page, until):
    page = open_page()
    page.uncheck("#aligned")
    for share, phase in ((0.02, ""), (0.5, PHASES[0]), (0.98, "")):
        box = in_view(page, "#plot-1")
        page.mouse.click(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
        until(page, SETTLED)
        assert page.inner_text("#phase-1") == phase
        assert page.inner_text("#phase-0") == PHASES[0]


def test_the_line_ends_inside_the_matrix(open_page):
    page = open_page()
    label = page.get_attribute("#plot-1", "aria-label")
    assert "a line is the path" in label
    points = page.get_attribute("#plot-1 polyline:last-of-type", "points").split()
    assert points[0] == f"{BEFORE + 0.5},0.5"
    assert points[-1] == f"{BEFORE + MATCH - 0.5},{SHORT - 0.5}"


class TestOpenReference:
    """The other way round: the reference is the long one."""

    @pytest.fixture
    def alignment_and_report(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("open")
        reference, x, times_x = _clip(np.linspace(0, 1, 90))
        other, y, times_y = _clip(np.linspace(1 / 3, 2 / 3, 30))
        alignment = align(x, y, times_x=times_x, times_y=times_y, open_begin="x", open_end="x")
        write_report(
            folder,
            ReportVideo("long", reference),
            [(alignment, ReportVideo("short", other))],
        )
        return alignment, folder / "report.html"

    def test_frames_off_the_path_match_nothing_and_show_the_nearest(self, open_page, until):
        page = open_page()
        for key, at_end in (("Home", False), ("End", True)):
            page.keyboard.press(key)
            until(page, SETTLED)
            assert page.inner_text("#cost-1") == "not matched"
            time = page.evaluate(TIMES)[1]
            assert (time > 1.1) if at_end else (time < 0.05)
        for _ in range(4):
            page.keyboard.press("Shift+ArrowLeft")
        until(page, SETTLED)
        assert float(page.inner_text("#cost-1")) < 0.1
