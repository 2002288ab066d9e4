"""Clips that do not begin or end together: found, said in words, and not drawn as a line."""

import re

import numpy as np
import pytest

from tacref.alignment import Alignment
from tacref.report import ReportVideo
from tacref.report.path_ends import path_ends
from tacref.report.series import series
from tests.report.test_report import Page, grays, report


def walked(*corners):
    """Return the path through corners, a step at a time, diagonal first."""
    path = [corners[0]]
    for corner in corners[1:]:
        while path[-1] != corner:
            path.append(tuple(np.add(path[-1], np.sign(np.subtract(corner, path[-1]))).tolist()))
    return np.array(path)


def along(path, n, m):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
    return Alignment(path, x, y, np.arange(n) / 10, np.arange(m) / 10)


CASES = {
    "B ends when A is at 1.00 s.": walked((0, 0), (9, 9), (19, 9)),
    "B begins when A is at 1.00 s.": walked((0, 0), (10, 0), (19, 9)),
    "A ends when B is at 1.00 s.": walked((0, 0), (9, 9), (9, 19)),
    "A begins when B is at 1.00 s.": walked((0, 0), (0, 10), (9, 19)),
    # Open paths: frames of A, or of B, match nothing.
    "B begins when A is at 0.50 s. B ends when A is at 1.50 s.": walked((5, 0), (14, 9)),
    "A begins when B is at 0.40 s. A ends when B is at 1.40 s.": walked((0, 4), (9, 13)),
    "B begins when A is at 0.90 s. A ends when B is at 0.10 s.": walked((0, 0), (9, 0), (9, 9)),
}
LENGTHS = {"B begins when A is at 0.50 s. B ends when A is at 1.50 s.": (20, 10),
           "A begins when B is at 0.40 s. A ends when B is at 1.40 s.": (10, 20)}  # fmt: skip


@pytest.mark.parametrize("said", CASES)
def test_ends_are_said_and_not_drawn(said, tmp_path):
    path = CASES[said]
    n, m = LENGTHS.get(said, (path[-1] + 1).tolist())
    videos = ReportVideo("a", grays(n)), ReportVideo("b", grays(m))
    text = report(tmp_path, videos[0], [(along(path, n, m), videos[1])])
    (note,) = re.findall(r'<p class="ends small">(.*?)</p>', text)
    assert note == said
    page = Page(text)
    ((casing, _),) = page.find("polyline", **{"class": "casing"})
    drawn = np.array([point.split(",") for point in casing["points"].split()], dtype=float)
    between = np.diff(drawn, axis=0)
    assert (between > 0).all()  # both move: no line along an edge is left
    assert "from the top left to the bottom right" not in text


@pytest.mark.parametrize(
    ("path", "n", "m"),
    [
        (walked((0, 0), (19, 19)), 20, 20),
        (walked((0, 0), (1, 0), (20, 19)), 21, 20),  # a frame more is no end
        (np.stack((np.arange(100), np.arange(100) // 10), 1), 100, 10),  # ten frames each
        (walked((0, 0), (0, 9)), 1, 10),
        (walked((0, 0), (9, 0)), 10, 1),
        (walked((0, 0)), 1, 1),
    ],
)
def test_ordinary_paths_are_whole(path, n, m):
    assert path_ends(along(path, n, m)) == (0, len(path) - 1, 0, n, 0, m)


def test_the_last_frame_but_one_may_stand_still():
    path = walked((0, 0), (38, 38), (60, 38), (61, 39))
    assert path_ends(along(path, 62, 40)) == (0, 38, 0, 39, 0, 40)
    path = walked((0, 0), (1, 1), (24, 1), (62, 39))
    assert path_ends(along(path, 63, 40)) == (24, 62, 24, 63, 0, 40)


def test_a_part_that_waits_at_its_open_end_has_not_ended(tmp_path):
    # All of x in frames 4 to 13 of y, which goes on; x's last frames match one of them.
    alignment = along(walked((0, 4), (9, 13), (19, 13)), 20, 30)
    assert path_ends(alignment) == (0, 19, 0, 20, 4, 14)


def test_speeds_end_with_the_clip():
    found = series(along(walked((0, 0), (29, 29), (59, 29)), 60, 30))
    assert found.speeds[:30] == pytest.approx(1.0)
    assert np.isnan(found.speeds[31:]).all()
    # The last frames are not matched faster for what follows, as a window over the end would say.
    jump = series(along(walked((0, 0), (29, 29), (29, 89)), 30, 90))
    assert jump.speeds[:29] == pytest.approx(1.0)
    assert not (np.abs(jump.speeds[29:] - 1.0) > 1e-9).any()
