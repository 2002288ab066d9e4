"""The report: well-formed, self-contained, safe with any name, small, and true to the data."""

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tacref.alignment import Alignment, align
from tacref.alignment.report import images, write_report
from tacref.alignment.report.images import thumbnails

VOID = {"meta", "link", "img", "input"}
HOSTILE = '<img src=x onerror="alert(1)">&amp;"\'</script><!--$name_x ${n}\u202egpj.mp4'


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


def decoded(uri):
    head, data = uri.split(",", 1)
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
    image.load()
    return image


def gray_frames(count, height=36, width=64):
    """Frame i is gray of level i."""
    return [np.full((height, width, 3), level, dtype=np.uint8) for level in range(count)]


def embeddings(n, m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.normal(size=(m, 3))


@pytest.fixture
def report(tmp_path):
    def write(alignment, frames_x, frames_y, **options):
        options = {"name_x": "one.mp4", "name_y": "two.mp4", **options}
        path = tmp_path / "report.html"
        write_report(path, alignment, frames_x, frames_y, **options)
        return path.read_text(encoding="utf-8")

    return write


def test_well_formed_and_true_to_the_alignment(report):
    alignment = align(*embeddings(5, 8), times_x=np.arange(5) / 25, times_y=np.arange(8) / 10)
    text = report(alignment, gray_frames(5), gray_frames(8), encoder="runs/one")
    page = Page(text)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    data = page.data()
    assert data["path"] == alignment.path.tolist()
    np.testing.assert_allclose(data["costs"], alignment.step_costs, rtol=1e-3)  # 4 digits
    np.testing.assert_allclose(data["times"][1], alignment.times_y, atol=1e-4)
    for video, count in zip(data["pictures"], (5, 8), strict=True):
        assert video["shown"] == list(range(count))
        for level, uri in enumerate(video["uris"]):
            assert decoded(uri).getpixel((3, 3)) == pytest.approx((level,) * 3, abs=2)  # JPEG
    for shown in ("one.mp4", "two.mp4", "runs/one", f"{alignment.cost:.4g}", "0.70 s"):
        assert shown in text
    # Every element that the script looks for is there.
    ((_, script),) = (found for found in page.find("script") if "id" not in found[0])
    assert set(re.findall(r'\bat\("([a-z-]+)"\)', script)) <= set(ids)


def test_nothing_from_outside_and_no_inline_handlers(report):
    text = report(align(*embeddings(3, 3)), gray_frames(3), gray_frames(3))
    page = Page(text)
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style", tag  # the policy would block it
            if name in ("src", "href", "srcset", "action"):
                assert value.startswith("data:")


def test_policy_allows_what_is_written_and_no_more(report):
    page = Page(report(align(*embeddings(3, 3)), gray_frames(3), gray_frames(3)))
    ((policy, _),) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.strip().split(" ", 1) for rule in policy["content"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "unsafe" not in policy["content"]
    ((_, style),) = page.find("style")
    ((_, script),) = (found for found in page.find("script") if "id" not in found[0])
    for content, rule in ((style, "style-src"), (script, "script-src")):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_names_are_only_ever_text(report):
    names = {"name_x": HOSTILE, "name_y": "\udcff.mp4", "encoder": HOSTILE}
    text = report(align(*embeddings(3, 3)), gray_frames(3), gray_frames(3), **names)
    page = Page(text)
    shown = [(attributes["title"], content) for attributes, content in page.find("bdi")]
    assert shown == [(HOSTILE, HOSTILE), ("?.mp4", "?.mp4")]
    assert len(page.find("script")) == 2
    assert not page.find("img", src="x")
    plain = Page(report(align(*embeddings(3, 3)), gray_frames(3), gray_frames(3)))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]


def test_features_have_numbers_for_pictures(report):
    rows_x, rows_y = np.zeros((4, 2), np.float32), np.zeros((6, 2), np.float32)
    page = Page(report(align(*embeddings(4, 6)), rows_x, rows_y))
    assert len(page.find("p", **{"class": "big number"})) == 2
    assert any("No pictures" in content for content in page.texts)
    assert page.data()["pictures"] == [{"uris": [], "shown": []}] * 2


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 7), (7, 1)])
def test_smallest_videos(n, m, report):
    page = Page(report(align(*embeddings(n, m)), gray_frames(n), gray_frames(m)))
    ((slider, _),) = page.find("input", type="range")
    assert slider["max"] == str(max(n, m) - 1)


@pytest.mark.parametrize("count", [2, 4])
def test_another_number_of_frames_is_refused(count, tmp_path):
    alignment = align(*embeddings(3, 3))
    with pytest.raises(ValueError, match=f"frames_y must have 3 frames.*, got {count}"):
        write_report(
            tmp_path / "report.html",
            alignment,
            gray_frames(3),
            gray_frames(count),
            name_x="a",
            name_y="b",
        )
    assert list(tmp_path.iterdir()) == []


def points(text, wanted, index=0):
    pairs = Page(text).find(wanted)[index][0]["points"].split()
    return [tuple(map(float, pair.split(","))) for pair in pairs]


def test_line_goes_through_every_cell_of_the_path(report):
    alignment = align(*embeddings(30, 40))
    text = report(alignment, gray_frames(30), gray_frames(40))
    corners = points(text, "polyline")
    assert corners == points(text, "polyline", 1)  # its casing
    walked = [corners[0]]
    for corner in corners[1:]:
        while walked[-1] != corner:
            step = np.sign(np.subtract(corner, walked[-1]))
            walked.append(tuple(np.add(walked[-1], step)))
    assert walked == [(j + 0.5, i + 0.5) for i, j in alignment.path.tolist()]
    assert len(corners) < len(walked)


def test_strip_keeps_a_narrow_peak(report):
    rows = np.zeros((3000, 1))
    y, steps = np.ones((3000, 1)), np.arange(3000)
    y[1777] = y[500:600] = 2.0  # a cost of 4
    alignment = Alignment(np.stack((steps, steps), 1), rows, y, steps / 25, steps / 25)
    strip = points(report(alignment, rows, rows), "polygon")
    assert len(strip) < 700
    assert {height for _, height in strip[1:-1]} == {0.0, 0.75}
    peaks = [place for place, height in strip if height == 0.0]
    assert peaks[-1] == pytest.approx(1777 / 3000, abs=0.01)
    assert peaks[-2] == pytest.approx(600 / 3000, abs=0.01)
    assert strip[0] == (0, 1)
    assert strip[-1] == (1, 1)


def test_long_videos_are_thinned_to_the_nearest_pictures(report, monkeypatch):
    monkeypatch.setattr(images, "MAX_PICTURES", 10)
    made = thumbnails(iter(gray_frames(37)), 37, "frames")
    places = np.linspace(0, 36, 10).round()
    assert len(made.uris) == 10
    for frame, picture in enumerate(made.shown):
        assert abs(places[picture] - frame) == np.abs(places - frame).min()
    levels = [decoded(uri).getpixel((0, 0))[0] for uri in made.uris]
    assert levels == pytest.approx(places, abs=2)  # JPEG
    text = report(align(*embeddings(37, 9)), gray_frames(37), gray_frames(9))
    assert "A shows 10 of its 37 frames, always the nearest one." in text


def test_videos_of_half_an_hour(report, tmp_path):
    n, m = 45_000, 40_000
    x, y = np.linspace(0, 1, n)[:, None], np.linspace(0, 1, m)[:, None] ** 2
    # The path of a known warp: finding it is not what is tested here.
    i = np.arange(n)
    j = np.rint(np.sqrt(i / (n - 1)) * (m - 1)).astype(int)
    path = np.concatenate([[(0, column) for column in range(j[1])], np.stack((i, j), 1)[1:]])
    alignment = Alignment(path, x, y, i / 25, np.arange(m) / 25)
    with pytest.raises(ValueError, match="D must have at most"):
        assert alignment.D is None
    text = report(alignment, iter(x), iter(y))
    assert len(text) < 10_000_000
    ((picture, _),) = (
        found for found in Page(text).find("img") if "Cost matrix" in found[0]["alt"]
    )
    image = decoded(picture["src"]).convert("L")
    assert image.size == (round(640 * m / n), 640)
    shades = np.asarray(image, dtype=float)
    assert shades.argmax() == 639 * image.width  # the last row against the first column
    columns = np.abs(shades - shades.min()).argmin(axis=1)
    expected = np.sqrt(np.arange(640) / 639) * (image.width - 1)
    assert np.abs(columns - expected)[64:].max() < 64  # pixels
