"""Phase labels: read for the clips of interest, transferred along a path, written as runs."""

import csv

import numpy as np
import pytest

from tacref.alignment import align
from tacref.alignment.label_files import write_labels
from tacref.alignment.labels import (
    intervals,
    matched_frames,
    read_labels,
    transfer_labels,
    unlabeled_count,
)

HEADER = "video,start_frame,end_frame,phase\n"


def test_transfer_by_hand():
    # y's frame 2 matches x's frames 1, 2 and 3: the middle one labels it.
    path = np.array([(0, 0), (0, 1), (1, 2), (2, 2), (3, 2), (4, 3)])
    assert matched_frames(path).tolist() == [0, 0, 2, 4]
    assert transfer_labels(["a", "a", "b", "b", "c"], path) == ["a", "a", "b", "c"]

    with pytest.raises(ValueError, match="labels must be 5, one per frame, got 4"):
        transfer_labels(["a", "a", "b", "b"], path)


def test_frames_matched_with_a_gap_have_no_label():
    path = np.array([(0, 0), (0, 1), (1, 2), (2, 2), (3, 2), (4, 3)])
    assert transfer_labels(["a", "a", None, "b", None], path) == ["a", "a", None, None]
    assert transfer_labels([None, "a", "a", "b", "b"], path) == [None, None, "a", "b"]
    assert intervals([None, "a", "a", None, "a", None]) == [(1, 3, "a"), (4, 5, "a")]
    assert intervals([None, None]) == intervals([]) == []
    assert unlabeled_count([None, "a", None]) == 2


def test_transfer_along_a_known_warp_is_exact():
    x = np.linspace(0, 1, 40)[:, None]
    order = np.sort(np.random.default_rng(0).integers(0, 40, 90))
    order[0], order[-1] = 0, 39
    labels = ["low"] * 15 + ["high"] * 25
    path = align(x, x[order]).path
    assert transfer_labels(labels, path) == [labels[frame] for frame in order]


def test_written_and_read_again(tmp_path):
    labels = {"a,b.mp4": ["x", "x", "y"], "c": ["z"]}
    write_labels(tmp_path / "phases.csv", labels)
    assert (tmp_path / "phases.csv").read_text() == (
        HEADER + '"a,b.mp4",0,2,x\n"a,b.mp4",2,3,y\nc,0,1,z\n'
    )
    assert read_labels(tmp_path / "phases.csv", {"a,b.mp4": 3, "c": 1}) == labels
    assert read_labels(tmp_path / "phases.csv", {"c": 1, "d": 5}) == {"c": ["z"]}
    gaps = {"a": [None, "x", None], "b": [None], "c": ["y", None]}
    write_labels(tmp_path / "gaps.csv", gaps)
    read = read_labels(tmp_path / "gaps.csv", {"a": 3, "b": 1, "c": 2})
    assert read == {"a": gaps["a"], "c": gaps["c"]}  # nothing is said of b
    assert intervals(["x", "x", "y", "x"]) == [(0, 2, "x"), (2, 3, "y"), (3, 4, "x")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 must be video,start_frame,end_frame,phase"),
        (HEADER + "a,0\n", "line 2: must have 4 fields, got 2"),
        (HEADER + "a,0,x,p\n", "line 2: start_frame and end_frame must be whole numbers"),
        (HEADER + "a,0,5,p\n", "line 2: the phases of 'a' end at frame 5, but the clip has 4"),
        (HEADER + "a,3,2,p\n", "line 2: must have 0 <= start_frame < end_frame, got 3, 2"),
        (HEADER + "a,0,4,\n", "line 2: phase must not be empty"),
        (
            HEADER + "a,0,2,p\na,1,4,q\n",
            "line 3: overlap in 'a': 'q' starts at frame 1",
        ),
        (b"\xff\xfe\x00", "not a CSV file in UTF-8"),
    ],
)
def test_refusals(text, message, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message) as caught:
        read_labels(path, {"a": 4})
    assert str(path) in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such label file"):
        read_labels(tmp_path / "none.csv", {"a": 4})


def test_any_name_and_label_comes_back_and_nothing_is_a_formula(tmp_path):
    texts = ["=1+1", "+a", "-b", "@c", "'=d", "''-e", "'f", "g\rh", 'i"j', "k\nl", "=m\rn", "o p"]
    labels = {name: [label] * 2 for name, label in zip(texts, reversed(texts), strict=True)}
    write_labels(tmp_path / "phases.csv", labels)
    assert read_labels(tmp_path / "phases.csv", dict.fromkeys(texts, 2)) == labels
    with (tmp_path / "phases.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) == len(texts) + 1
    assert not any(field.startswith(tuple("=+-@\t\r")) for row in rows for field in row)


def test_frames_off_an_open_path():
    path = np.array([(0, 2), (1, 3), (2, 3)])
    assert matched_frames(path).tolist() == [0, 0, 0, 1]
    assert matched_frames(path, 6).tolist() == [0, 0, 0, 1, 1, 1]  # the nearest on the path
    assert transfer_labels(["a", "b", "c"], path) == [None, None, "a", "b"]


def test_frames_without_a_label_are_in_no_run(tmp_path):
    labels = [None, "a", "a", None, "b", None]
    assert intervals(labels) == [(1, 3, "a"), (4, 5, "b")]
    write_labels(tmp_path / "phases.csv", {"c": labels})
    assert (tmp_path / "phases.csv").read_text() == HEADER + "c,1,3,a\nc,4,5,b\n"


def test_an_open_path_is_transferred_to_all_frames():
    path = [[0, 1], [1, 2]]  # a list, as users write it
    assert transfer_labels(["a", "b"], path, 4) == [None, "a", "b", None]
    assert transfer_labels(["a", "b", "c"], path, 4) == [None, "a", "b", None]  # an open end of x
    assert transfer_labels(["a", "b"], path) == [None, "a", "b"]
    with pytest.raises(ValueError, match="frames_y must be at least 3, where the path ends, got 2"):
        transfer_labels(["a", "b"], path, 2)
    with pytest.raises(
        ValueError, match=r"path must be whole numbers of shape \(L, 2\), got float64"
    ):
        transfer_labels(["a"], [[0.0, 0.0]])
    with pytest.raises(ValueError, match="labels must be 2, one per frame, got 3"):
        transfer_labels(["a", "b", "c"], path)
