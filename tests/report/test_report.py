"""The report: well-formed, self-contained, safe with any name, and true to the data."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from tacref.alignment import Alignment, align
from tacref.report import ReportVideo, write_report
from tacref.report.pair import _expected, path_line
from tacref.report.series import MAX_POINTS, series, warp, worst_moments
from tacref.report.timelines import cost_curve, phase_bar, speed_curve

VOID = {"meta", "link", "img", "input"}
HOSTILE = '<img src=x onerror="alert(1)">&amp;"\'</script><!--$title ${n}\u202egpj.mp4'


class Page(HTMLParser):
    """Tags, attributes and text of a page; raises where an element is not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names))
        self.elements.append((tag, dict(attributes)))
        self.texts.append("")
        if tag not in VOID:
            self.open.append((tag, len(self.texts) - 1))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open:
            self.texts[self.open[-1][1]] += data

    def find(self, tag, **wanted):
        return [
            (attributes, text)
            for (name, attributes), text in zip(self.elements, self.texts, strict=True)
            if name == tag and wanted.items() <= attributes.items()
        ]

    def data(self):
        ((_, text),) = self.find("script", id="data")
        return json.loads(text)


def grays(count, height=36, width=64):
    """Frame i is gray of level i, ten a second."""
    return [
        (np.full((height, width, 3), level, dtype=np.uint8), level / 10) for level in range(count)
    ]


def rows(count):
    return [(np.zeros(2, np.float32), k / 10) for k in range(count)]


def embeddings(n, m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.normal(size=(m, 3))


def aligned(n, m, seed=0):
    return align(*embeddings(n, m, seed), times_x=np.arange(n) / 10, times_y=np.arange(m) / 10)


def report(folder, reference, others, **options):
    write_report(folder, reference, others, **options)
    return (folder / "report.html").read_text(encoding="utf-8")


def pair(folder, n=5, m=8, names=("one.mp4", "two.mp4"), labels=(None, None), **options):
    reference = ReportVideo(names[0], grays(n), labels[0])
    other = ReportVideo(names[1], grays(m), labels[1], labels[1] is not None)
    return report(folder, reference, [(aligned(n, m), other)], **options)


def test_well_formed_and_true_to_the_alignment(tmp_path):
    alignment = aligned(5, 8)
    text = pair(tmp_path, encoder="runs/one", taus=[0.5])
    page = Page(text)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "report.html",
        "video-0.mp4",
        "video-1.mp4",
    ]
    data = page.data()
    found = series(alignment)
    assert data["times"] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert data["videos"][1]["matches"] == pytest.approx(found.matches, abs=1e-4)
    assert data["videos"][1]["peaks"][:5] == pytest.approx(found.costs[:5], rel=1e-3)
    assert [video["frames"] for video in data["videos"]] == [5, 8]
    for shown in ("one.mp4", "two.mp4", "runs/one", f"{alignment.cost:.4g}", "0.500"):
        assert shown in text
    ((_, script),) = (found for found in page.find("script") if "id" not in found[0])
    assert set(re.findall(r'\bat\("([a-z]+)"\)', script)) - {"clips", "search", "found"} <= set(ids)


def test_nothing_from_outside_and_no_inline_handlers(tmp_path):
    text = pair(tmp_path, labels=(["a"] * 5, ["a"] * 8))
    page = Page(text)
    assert "://" not in text
    assert set(re.findall(r"url\(\S*", text)) == {"url(\"'"}  # of a picture in the page's data
    assert "@import" not in text
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style", tag  # the policy would block it
            if name in ("src", "href", "srcset", "action"):
                assert value.startswith("data:") or (tmp_path / value).is_file()


def test_policy_allows_what_is_written_and_no_more(tmp_path):
    page = Page(pair(tmp_path))
    ((policy, _),) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.strip().split(" ", 1) for rule in policy["content"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert rules["media-src"] == "'self' file:"
    assert "unsafe" not in policy["content"]
    ((_, style),) = page.find("style")
    ((_, script),) = (found for found in page.find("script") if "id" not in found[0])
    for content, rule in ((style, "style-src"), (script, "script-src")):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_names_and_labels_are_only_ever_text(tmp_path):
    labels = [[HOSTILE] * 5, [HOSTILE] * 8]
    names = (HOSTILE, "\udcff.mp4")
    (tmp_path / "a").mkdir()
    text = pair(tmp_path / "a", names=names, encoder=HOSTILE, labels=labels)
    page = Page(text)
    shown = [(attributes["title"], content) for attributes, content in page.find("bdi")]
    assert shown == [(HOSTILE, HOSTILE), ("?.mp4", "?.mp4")]
    assert [content for _, content in page.find("text")] == [HOSTILE, HOSTILE]
    assert page.data()["videos"][0]["phases"] == [[0, 5, HOSTILE]]
    assert not page.find("img", src="x")
    plain = Page(pair(tmp_path, labels=(["a"] * 5, ["a"] * 8)))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]


def test_phases_are_shown_over_each_videos_own_time():
    colors = {}
    bar = Page(phase_bar(["a", "a", "b", "a"], np.array([0, 1, 2, 4, 8]), colors))
    spans = [(each["x"], each["width"]) for each, _ in bar.find("svg") if "x" in each]
    assert spans == [("0.000%", "25.000%"), ("25.000%", "25.000%"), ("50.000%", "50.000%")]
    assert [each["class"] for each, _ in bar.find("rect")] == ["phase c0", "phase c1", "phase c0"]
    assert colors == {"a": 0, "b": 1}


def test_frames_without_a_phase_are_a_gap(tmp_path):
    colors = {}
    bar = Page(phase_bar([None, "a", "a", None], np.array([0, 1, 2, 4, 8]), colors))
    spans = {
        each["class"]: (span["x"], span["width"])
        for (each, _), (span, _) in zip(
            bar.find("rect"), [s for s in bar.find("svg") if "x" in s[0]], strict=True
        )
    }
    assert spans["phase c0"] == ("12.500%", "37.500%")
    assert spans["gap"] == ("50.000%", "50.000%")
    titles = [text for _, text in bar.find("title")]
    assert titles == ["no phase: 0.00 to 1.00 s", "no phase: 4.00 to 8.00 s", "a: 1.00 to 4.00 s"]
    assert [text for _, text in bar.find("text")] == ["a"]
    text = pair(tmp_path, labels=([None, "a", "a", None, "b"], ["a"] * 7 + [None]))
    assert "Phases of A (2 of 5 frames have none)<" in text
    assert "Phases of B (transferred along the path; 1 of 8 frames have none)<" in text
    data = Page(text).data()["videos"]
    assert data[0]["phases"] == [[1, 3, "a"], [4, 5, "b"]]
    assert data[1]["phases"] == [[0, 7, "a"]]


def test_transferred_labels_are_marked(tmp_path):
    text = pair(tmp_path, labels=(["a"] * 5, ["a"] * 8))
    assert "Phases of A<" in text
    assert "Phases of B (transferred along the path)" in text
    assert text.count('class="bar transferred"') == 1


def test_features_have_numbers_for_pictures(tmp_path):
    page = Page(
        report(tmp_path, ReportVideo("a", rows(4)), [(aligned(4, 6), ReportVideo("b", rows(6)))])
    )
    assert len(page.find("p", **{"class": "big number"})) == 2
    assert not page.find("video")
    assert any("No pictures" in content for content in page.texts)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 7), (7, 1)])
def test_smallest_videos(n, m, tmp_path):
    page = Page(pair(tmp_path, n, m))
    ((slider, _),) = page.find("input", type="range")
    assert float(slider["max"]) == pytest.approx(n / 10 if n > 1 else 0.04)


@pytest.mark.parametrize("count", [2, 4])
def test_another_number_of_frames_is_refused(count, tmp_path):
    with pytest.raises(ValueError, match=f"b: must have 3 frames, .* got {count}"):
        report(
            tmp_path, ReportVideo("a", grays(3)), [(aligned(3, 3), ReportVideo("b", grays(count)))]
        )
    assert not (tmp_path / "report.html").exists()
    with pytest.raises(ValueError, match="others must hold at least one"):
        report(tmp_path, ReportVideo("a", grays(3)), [])


def points(text):
    return [tuple(map(float, point.split(","))) for point in text.split()]


def test_line_goes_through_every_cell_of_the_path():
    alignment = aligned(30, 40)
    corners = points(path_line(alignment.path))
    walked = [corners[0]]
    for corner in corners[1:]:
        while walked[-1] != corner:
            step = np.sign(np.subtract(corner, walked[-1]))
            walked.append(tuple(np.add(walked[-1], step)))
    assert walked == [(j + 0.5, i + 0.5) for i, j in alignment.path.tolist()]
    assert len(corners) < len(walked)


def test_curves_are_thinned_and_keep_a_narrow_peak():
    times = np.arange(5001) / 25
    costs = np.ones(5001)
    costs[1777] = 4.0
    curve = points(cost_curve(times, costs, 4.0))
    assert len(curve) < 700
    assert min(height for _, height in curve) == 0.0
    peak = next(place for place, height in curve if height == 0.0)
    assert peak == pytest.approx(1777 / 5000, abs=0.01)
    assert (curve[0], curve[-1]) == ((0, 1), (1, 1))
    speeds = speed_curve(np.arange(5) / 25, np.array([1.0, 2.0, 4.0, np.inf, 0.25]))
    assert [[height for _, height in line] for line in speeds] == [[0.5, 0.25, 0], [1]]


def test_series_of_a_known_warp():
    n = 200
    x = np.linspace(0, 1, n)
    y = np.sqrt(np.linspace(0, 1, n))  # y's frame j shows x's progress sqrt: fast, then slow
    alignment = align(x[:, None], y[:, None], times_x=np.arange(n) / 25, times_y=np.arange(n) / 25)
    found = series(alignment)
    assert len(found.times) == n + 1
    true = np.append(x**2 * (n - 1), n) / 25  # where y shows what x does
    assert np.abs(found.matches - true).max() < 1.5 / 25
    assert (np.diff(found.matches) >= 0).all()
    assert (found.matches[0], found.matches[-1]) == (0, n / 25)
    # dx/dy = 1 / (2 x)
    inner = slice(30, 170)
    assert np.abs(found.speeds[:-1][inner] * 2 * x[inner] - 1).max() < 0.15
    straight = align(x[:, None], x[:, None])
    assert warp(straight) == 0.0
    assert warp(alignment) == pytest.approx(1 / 6, abs=0.02)  # the mean of x - x^2


def test_worst_moments_are_apart():
    x = np.zeros((100, 1))
    y = np.zeros((100, 1))
    y[20], y[22], y[70] = 3.0, 2.5, 2.0
    steps = np.arange(100)
    alignment = Alignment(np.stack((steps, steps), 1), x, y, steps / 25, steps / 25)
    assert worst_moments(alignment) == [(20, 20, 9.0), (70, 70, 4.0)]
    assert worst_moments(align(x, x)) == []


def test_videos_of_half_an_hour(tmp_path):
    n, m = 45_000, 40_000
    x, y = np.linspace(0, 1, n)[:, None], np.linspace(0, 1, m)[:, None] ** 2
    # The path of a known warp: finding it is not what is tested here.
    i = np.arange(n)
    j = np.rint(np.sqrt(i / (n - 1)) * (m - 1)).astype(int)
    path = np.concatenate([[(0, column) for column in range(j[1])], np.stack((i, j), 1)[1:]])
    alignment = Alignment(path, x, y, i / 25, np.arange(m) / 25)
    shown = (
        ReportVideo(name, zip(z, t, strict=True))
        for name, z, t in (("a", x, alignment.times_x), ("b", y, alignment.times_y))
    )
    text = report(tmp_path, next(shown), [(alignment, next(shown))])
    assert len(text) < 3_000_000
    data = Page(text).data()
    assert len(data["times"]) == MAX_POINTS
    expected = np.sqrt(np.array(data["times"]) / (n / 25)) * m / 25
    assert np.abs(np.array(data["videos"][1]["matches"]) - expected)[50:].max() < 0.1


def test_series_and_page_of_an_open_path(tmp_path):
    # x's frames 2 to 4 are all of y: x may begin and end anywhere.
    x, y = np.array([9.0, 9, 1, 2, 3, 9])[:, None], np.array([1.0, 2, 3.5])[:, None]
    times_x, times_y = np.arange(6) / 10, np.arange(3) / 10
    options = {"open_begin": "x", "open_end": "x", "times_x": times_x, "times_y": times_y}
    alignment = align(x, y, **options)
    assert alignment.path.tolist() == [[2, 0], [3, 1], [4, 2]]
    found = series(alignment)
    assert found.matches == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3, 0.3], abs=0.05)
    assert found.costs == pytest.approx([np.nan, np.nan, 0, 0, 0.25, np.nan, np.nan], nan_ok=True)
    assert worst_moments(alignment) == [(4, 2, 0.25)]
    assert warp(alignment) == 0.0
    text = report(
        tmp_path, ReportVideo("long", grays(6)), [(alignment, ReportVideo("short", grays(3)))]
    )
    page = Page(text)
    assert page.data()["videos"][1]["peaks"] == [None, None, 0, 0, 0.25, None, None]
    assert "from the top left to the bottom right" not in text
    assert "from the top left to the bottom right" in pair(tmp_path)


def test_the_expected_alignment_is_that_of_the_stretch():
    x, y = np.arange(4.0)[:, None], np.array([9.0, 9, 0, 1, 2, 3, 9])[:, None]
    alignment = align(x, y, open_begin="y", open_end="y")
    E = _expected(alignment.D, alignment)
    assert E[:, [0, 1, 6]].max() == 0
    assert E[0, 2] == E[3, 5] == 1


def test_labels_with_gaps_leave_gaps(tmp_path):
    text = pair(tmp_path, labels=(["a"] * 5, [None] * 3 + ["a"] * 2 + [None] * 3))
    data = Page(text).data()
    assert data["videos"][1]["phases"] == [[3, 5, "a"]]
    assert text.count("<title>a: ") == 2
