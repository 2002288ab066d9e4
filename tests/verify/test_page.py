"""The page of a card: told apart by everybody, safe, and complete without its script."""

import base64
import hashlib
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from tacref.verify.page import to_html
from tacref.verify.report import Report, Row

ROWS = (
    Row("value", "pass", 1e-16, 1e-14),
    Row("gradient to x", "FAIL", 1.0, 1e-14, "as if 0", "print(1)\n# right: 2"),
    Row("band", "refused", note="raises an error"),
    Row("lengths and padding", "not offered", note="takes no lengths"),
)
REPORTS = [
    Report("a:good", "dtw", ROWS[:1]),
    Report("a:bad", "soft_dtw", ROWS),
    Report("a:mute", "lav", (Row("value", "FAIL", note="in every call"),), "a:mute: always raised"),
]
# What eyes with two kinds of cones see of linear RGB (Machado, Oliveira and Fernandes 2009).
EYES = {
    "all cones": np.eye(3),
    "no long": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998]],
    "no middle": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                  [-0.011820, 0.042940, 0.968881]],
    "no short": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                 [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip


class Tags(HTMLParser):
    """All tags of a page with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def linear(color):
    channels = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(color, other):
    low, high = sorted(0.05 + float(TO_XYZ[1] @ linear(each)) for each in (color, other))
    return high / low


def lab(rgb):
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / (0.95047, 1.0, 1.08883)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def themes():
    found = re.findall(r":root \{(.*?)\}", to_html(REPORTS), re.S)
    return [dict(re.findall(r"--(\w+): (#\w{6});", theme)) for theme in found]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_verdicts_are_told_apart_by_every_eye(theme):
    colors = themes()[theme]
    verdicts = [colors[name] for name in ("pass", "fail", "refused", "absent", "unchecked")]
    for color in (*verdicts, colors["ink"], colors["soft"]):
        assert contrast(color, colors["paper"]) >= 4.5  # WCAG AA
        assert contrast(color, colors["fill"]) >= 4.5 - 0.5 * (color in verdicts)
    for eye, cones in EYES.items():
        seen = [lab(np.array(cones) @ linear(color)) for color in verdicts]
        for one, other in itertools.combinations(seen, 2):
            # Two neighboring patches differ from 2 on; small colored words need far more.
            assert np.linalg.norm(one - other) > 15, eye


def test_a_difference_of_color_can_be_too_small():
    red, green = (lab(np.array(EYES["no middle"]) @ linear(c)) for c in ("#b3261e", "#7a5c00"))
    assert np.linalg.norm(red - green) < 15
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert lab(linear("#ffffff")) == pytest.approx([100, 0, 0], abs=0.01)


def test_no_outcome_is_said_by_color_alone():
    page = to_html(REPORTS)
    for word in ("pass", "FAIL", "refused", "not offered"):
        assert f'<b class="{word.replace(" ", "-")}">{word}</b>' in page
        assert re.search(rf"b\.{word.replace(' ', '-')}::before {{ content: ", page)


def test_every_failure_is_linked_at_the_top():
    tags = Tags(to_html(REPORTS))
    anchors = [each["href"][1:] for each in tags.all("a")]
    assert anchors == ["card-1", "card-2", "card-2-2", "card-3", "card-3-1"]
    ids = [attributes["id"] for _, attributes in tags.tags if "id" in attributes]
    assert set(anchors) <= set(ids)
    assert len(ids) == len(set(ids))
    for _, attributes in tags.tags:
        assert attributes.get("aria-labelledby", ids[0]) in ids
    text = " ".join(tags.text.split())
    assert "1 of 3 functions passed. Claims: 2 pass , 2 FAIL".replace(" ,", ",") in text
    alone = Tags(to_html(REPORTS[1:2]))
    assert [each["href"] for each in alone.all("a")] == ["#card-1-2"]
    assert [each["id"] for each in alone.all("h1")] == ["card-1-name"]


def test_only_its_own_script_and_style_may_run():
    page = to_html(REPORTS)
    (policy,) = (
        each["content"] for each in Tags(page).all("meta") if "http-equiv" in each
    )  # fmt: skip
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert not re.search(r"<[^>]* (style|on\w+)=", page)


def test_without_the_script_snippets_unfold_and_there_are_no_buttons():
    tags = Tags(to_html(REPORTS))
    assert len(tags.all("details")) == len(tags.all("summary")) == 1
    assert not any("open" in each for each in tags.all("details"))
    assert [("hidden" in each, each["type"]) for each in tags.all("button")] == [(True, "button")]
    assert "print(1)\n# right: 2" in tags.text


def test_control_characters_are_shown_as_escapes():
    row = Row("a\x07b", "FAIL", note="c\u202ed\n", snippet="e\x1b[2J\nf\r\x00\udcff")
    page = to_html([Report("g\x9bh", "i\x00", (row,), "j\x08")])
    assert all(line.isprintable() for line in page.split("\n"))
    for text in (r"a\x07b", r"c\u202ed\n", r"e\x1b[2J", r"f\r\x00\udcff", r"g\x9bh", r"j\x08"):
        assert text in page
