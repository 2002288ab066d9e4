"""The report of a group: which clips are in view, the table to choose from, the sheet, outliers."""

import re

import numpy as np
import pytest

from tacref.report import ReportVideo
from tests.report.test_report import HOSTILE, Page, aligned, grays, report, rows


def group(folder, frames=(4, 6, 7), names=None, **options):
    names = names or [f"{k}.mp4" for k in range(len(frames))]
    others = [
        (aligned(5, m, seed=m), ReportVideo(name, grays(m)))
        for m, name in zip(frames, names, strict=True)
    ]
    return report(folder, ReportVideo("a.mp4", grays(5)), others, **options)


def test_a_group_has_a_section_a_pair_a_sheet_and_a_table(tmp_path):
    text = group(tmp_path, outliers=[2])
    page = Page(text)
    assert len(page.find("section", **{"class": "pair"})) == 3
    assert sum("hidden" in attributes for attributes, _ in page.find("section")) == 2
    picks = page.find("button", **{"class": "pick"})
    assert [attributes["value"] for attributes, _ in picks] == ["1", "2", "3"]
    assert [attributes["aria-pressed"] for attributes, _ in picks] == ["true", "false", "false"]
    boxes = page.find("input", **{"class": "shown"})
    assert [(box["value"], "checked" in box) for box, _ in boxes] == [
        ("1", True), ("2", True), ("3", True),
    ]  # fmt: skip
    assert not page.find("input", type="search")  # three can be seen at a glance
    costs = [aligned(5, m, seed=m).mean_cost for m in (4, 6, 7)]
    found = [float(row["data-mean"]) for row, _ in page.find("tr") if "data-mean" in row]
    assert found == pytest.approx(costs, rel=1e-12)


def test_each_row_of_the_sheet_has_the_letter_of_its_clip(tmp_path):
    page = Page(group(tmp_path, names=["one", "two", "three"]))
    strips = page.find("img", **{"class": "strip"})
    assert [strip["alt"] for strip, _ in strips] == ["A: a.mp4", "B: one", "C: two", "D: three"]
    sheet = re.search(r"<ul>.*</ul>", (tmp_path / "report.html").read_text("utf-8"))[0]
    assert re.findall(r'<li><span class="badge [ab]">(\w)</span><img', sheet) == list("ABCD")


def test_many_clips_are_not_all_in_view(tmp_path):
    many = [(aligned(5, 4), ReportVideo(f"{k}.mp4", grays(4))) for k in range(9)]
    page = Page(report(tmp_path, ReportVideo("mean", rows(5)), many))
    assert [video["shown"] for video in page.data()["videos"]] == [True] * 4 + [False] * 6
    figures = [figure for figure, _ in page.find("figure") if figure["class"] == "card"]
    assert ["hidden" in figure for figure in figures] == [False] * 4 + [True] * 6
    videos = page.find("video")
    assert [video["preload"] for video, _ in videos] == ["auto"] * 3 + ["none"] * 6
    assert page.find("input", type="search")
    # The first has no pictures.
    assert [strip["alt"][0] for strip, _ in page.find("img", **{"class": "strip"})] == [
        *"BCDEFGHIJ"
    ]
    eight = [(aligned(5, 4), ReportVideo(f"{k}.mp4", grays(4))) for k in range(8)]
    page = Page(report(tmp_path, ReportVideo("a", grays(5)), eight))
    assert all(video["shown"] for video in page.data()["videos"])


def test_outliers_are_named_where_they_are_seen(tmp_path):
    text = group(tmp_path, names=["one", "two", "three"], outliers=[2, 0])
    page = Page(text)
    (line,) = re.findall(r'<p class="odd">(.*?)</p>', text)
    assert re.sub(r"<[^>]+>", "", line) == "Outliers: B one, D three"
    said = [text for _, text in page.find("strong") if "outlier" in text]
    assert said == ["B is an outlier.", "D is an outlier."]
    costs = [aligned(5, m, seed=m).mean_cost for m in (4, 6, 7)]
    said = f"Its mean cost is {costs[2]:.4g}; the median of all is {np.median(costs):.4g}."
    assert said in text
    assert text.count('<span class="outlier">outlier</span>') == 4  # views and table
    assert "utlier" not in re.sub(r"<(style|script).*?</\1>", "", group(tmp_path), flags=re.S)


def test_names_in_table_sheet_and_headings_are_only_text(tmp_path):
    page = Page(group(tmp_path, names=[HOSTILE, "two", "\udcff"], outliers=[0]))
    plain = Page(group(tmp_path, names=["one", "two", "three"], outliers=[0]))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    shown = [text for _, text in page.find("bdi")]
    assert shown.count(HOSTILE) == 4  # view, list of outliers, table, heading of the pair
    assert shown.count("?") == 3
    assert HOSTILE in [strip["alt"][3:] for strip, _ in page.find("img", **{"class": "strip"})]


def test_two_videos_need_no_table(tmp_path):
    page = Page(group(tmp_path, (4,)))
    assert not page.find("tbody", id="clips")
    assert not page.find("img", **{"class": "strip"})
    assert not page.find("h2", **{"class": "names"})
