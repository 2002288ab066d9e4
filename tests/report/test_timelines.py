"""Curves of the report: within their scale, broken where there is nothing to draw."""

import re

import numpy as np
import pytest

from tacref.report.timelines import speed_curve, speed_marks, speed_octaves
from tests.report.test_report import pair


@pytest.mark.parametrize(
    ("largest", "octaves", "marks"),
    [
        (1.0, 2, ("4&times;", "¼&times;")),
        (4.0, 2, ("4&times;", "¼&times;")),
        (4.1, 3, ("8&times;", "⅛&times;")),
        (1 / 20, 5, ("32&times;", "1/32&times;")),
        (1000.0, 5, ("32&times;", "1/32&times;")),
    ],
)
def test_the_scale_fits_the_speeds(largest, octaves, marks):
    speeds = np.full(50, largest)
    assert speed_octaves(speeds) == octaves
    assert speed_marks(octaves) == marks
    heights = [y for line in speed_curve(np.arange(50.0), speeds, octaves) for _, y in line]
    expected = [] if largest > 100 else [0.5 - np.log2(largest) / (2 * octaves)] * 50
    assert heights == pytest.approx(expected)


def test_one_fast_moment_does_not_flatten_the_rest():
    speeds = np.ones(100)
    speeds[40] = 30.0
    assert speed_octaves(speeds) == 3
    before, after = speed_curve(np.arange(100.0), speeds, 3)
    assert (len(before), len(after)) == (40, 59)  # broken, and not drawn at the edge


def test_no_speed_at_all():
    speeds = np.array([np.nan, np.inf, 0.0])
    assert speed_octaves(speeds) == 2
    assert speed_curve(np.arange(3.0), speeds) == []


def test_labels_are_short(tmp_path):
    text = pair(tmp_path, taus=[0.5], tau_stride=3, labels=(["a"] * 5, ["a"] * 8))
    section = text.split("<h2>Timelines")[1].split("</section>")[0]
    labels = re.findall(r"<(?:h2|dt|th)\b[^>]*>(.*?)(?:<small|</)", section)
    labels += re.findall(r'<p class="soft small">(.*?)(?:<span| \(|</)', section)
    assert {"Cost", "Warp", "Kendall's tau", "Phases of A", "Numbers", "Frame by frame"} <= {
        label.strip() for label in labels
    }
    assert "Speed of B relative to A " in labels
    assert max(len(label.split()) for label in labels) <= 6
    assert "1: same order, every 3 frames" in text
