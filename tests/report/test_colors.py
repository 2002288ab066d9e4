"""Colors: the same in page and figures, readable, and told apart by color-blind people."""

import itertools
import re

import numpy as np
import pytest

from tacref.colors import CASING, LINES, PATH, PHASES
from tacref.report.page import read_asset

# Machado, Oliveira & Fernandes 2009: linear RGB as seen without one kind of cone.
SEEN = {
    "all": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
       [0.0193339, 0.1191920, 0.9503041]]  # fmt: skip
# CIE 1976; a just noticeable difference is about 2.3.
FAR = 15.0


def linear(color):
    share = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(color, kind):
    seen = np.clip(np.array(SEEN[kind]) @ linear(color), 0, 1)
    t = np.array(XYZ) @ seen / (0.95047, 1.0, 1.08883)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array((116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])))


def contrast(one, other):
    light = sorted(linear(color) @ (0.2126, 0.7152, 0.0722) for color in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


@pytest.mark.parametrize("kind", SEEN)
@pytest.mark.parametrize("colors", [PHASES, [color for color, _ in LINES[:7]]])
def test_colors_are_far_from_each_other(kind, colors):
    for one, other in itertools.combinations(colors, 2):
        assert np.linalg.norm(lab(one, kind) - lab(other, kind)) > FAR, (one, other)


def test_the_measure_can_object():
    assert np.linalg.norm(lab("#f4b6c2", "deutan") - lab("#d9c3ae", "deutan")) < FAR


def test_lines_are_told_apart_by_color_and_dashes():
    assert len(set(LINES)) == len(LINES) >= 12


def test_the_page_has_the_same_colors():
    style = read_asset("report.css")
    found = re.findall(r"\.c(\d) \{ fill: (#\w{6}); \}", style)
    assert found == [(str(k), color) for k, color in enumerate(PHASES)]
    assert f"stroke: {PATH};" in style
    assert f"stroke: {CASING};" in style


def test_phases_can_be_read():
    style = read_asset("report.css")
    dark = re.search(r"\.phases text \{[^}]*fill: (#\w{6})", style)[1]
    rule = re.search(r"\.phases \.c4 \+ text, \.phases \.c7 \+ text \{ fill: (#\w{6})", style)
    for k, color in enumerate(PHASES):
        assert contrast(color, rule[1] if k in (4, 7) else dark) >= 4.5, color
