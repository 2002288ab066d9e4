"""Pages in a real browser, opened from their files: a report of two short clips, a report card.

Chromium is found by TACREF_CHROMIUM or on the PATH; without it, or without Playwright, these tests
are skipped and say why. Screenshots are kept in the folder that TACREF_SCREENSHOTS names.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tacref.alignment import align
from tacref.alignment.deviations import Deviation
from tacref.report import ReportVideo, write_report

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("<img src=x onerror=window.hit=1>.mp4", "</script><script>window.hit=1</script>.mp4")
PHASES = ("rise", "<b>fall</b>")
FPS = 25.0
GAP = (50, 60)  # frames of the reference without a phase
# Of the second clip, which the report is told to mark.
DEVIATION = Deviation(30, 45, 20, 40, 0.5, 0.75, 8.5)


def _clip(progress):
    """Frames of a bar that crosses the picture, and embeddings that tell the progress."""
    frames = np.full((len(progress), 64, 96, 3), 30, np.uint8)
    for frame, share in zip(frames, progress, strict=True):
        left = round(80 * share)
        frame[:, left : left + 16] = 220
    angles = np.pi * progress
    times = np.arange(len(progress)) / FPS
    embeddings = np.stack((np.cos(angles), np.sin(angles)), 1)
    return list(zip(frames, times, strict=True)), embeddings, times


def until(page, condition):
    """Wait until an expression holds; Playwright's own way needs `eval`, which the page forbids."""
    page.evaluate(
        f"""() => new Promise((done, fail) => {{
          const start = performance.now();
          (function look() {{
            if ({condition}) done();
            else if (performance.now() - start > 15000) fail(Error('waited in vain'));
            else requestAnimationFrame(look);
          }})();
        }})"""
    )


@pytest.fixture(name="until")
def until_fixture():
    """Return `until(page, condition)`."""
    return until


@pytest.fixture
def names():
    """Return what the two clips are called."""
    return NAMES


@pytest.fixture
def phases():
    """Return the two labels of the reference."""
    return PHASES


@pytest.fixture
def gap():
    """Return the frames of the reference that have no label: the first, and one after the last."""
    return GAP


@pytest.fixture
def deviation():
    """Return the deviation of the second clip."""
    return DEVIATION


@pytest.fixture(scope="session")
def chromium():
    """Return the path of Chromium."""
    path = os.environ.get("TACREF_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium on the PATH; TACREF_CHROMIUM names one")
    return path


@pytest.fixture(scope="session")
def browser(chromium):
    """Start one Chromium for all tests."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, headless=True, args=OPTIONS)
        yield made
        made.close()


@pytest.fixture(scope="session")
def alignment_and_report(tmp_path_factory):
    """Return the alignment of two clips, the second fast, then slow; and the report's path."""
    folder = tmp_path_factory.mktemp("report")
    even = np.linspace(0, 1, 75)
    reference, x, times_x = _clip(even)
    other, y, times_y = _clip(np.linspace(0, 1, 100) ** 0.7)
    alignment = align(x, y, times_x=times_x, times_y=times_y)
    labels = [PHASES[int(share > 0.5)] for share in even]
    labels[GAP[0] : GAP[1]] = [None] * (GAP[1] - GAP[0])
    write_report(
        folder,
        ReportVideo(NAMES[0], reference, labels),
        [(alignment, ReportVideo(NAMES[1], other, [PHASES[0]] * 100, True, [DEVIATION]))],
        taus=[1.0],
    )
    return alignment, folder / "report.html"


def watched_page(browser, errors, places, scheme, size, **options):
    """Make a page in a context of its own; note errors, and requests that lead elsewhere."""
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": size[0], "height": size[1]}, **options
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", lambda message: errors.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(places) else errors.append(f"asked for {request.url}")
        ),
    )
    return page


@pytest.fixture
def open_tab(browser):
    """Open a file in a fresh tab; fail where its console has an error, or it asks for the net."""
    contexts, errors = [], []

    def open_tab(path, scheme="light", size=(1280, 900), **options):
        page = watched_page(browser, errors, ("file:", "data:"), scheme, size, **options)
        contexts.append(page.context)
        page.goto(path.as_uri())
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def open_page(open_tab, alignment_and_report):
    """Open the report in a fresh tab, as `open_tab` does, and wait for its videos."""

    def open_page(scheme="light", size=(1280, 900)):
        page = open_tab(alignment_and_report[1], scheme, size)
        until(page, "[...document.querySelectorAll('video')].every(v => v.readyState >= 2)")
        return page

    return open_page


@pytest.fixture
def keep():
    """Keep a screenshot, where TACREF_SCREENSHOTS says."""

    def keep(page, name):
        folder = os.environ.get("TACREF_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{folder}/{name}.png", full_page=True)

    return keep
