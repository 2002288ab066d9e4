"""phases.csv: read, and refused with file and line where it is wrong."""

import pytest

from tacref.data import Phase, phase_labels, read_phases

LENGTHS = {"a.mp4": 10, "b.mp4": 5}
HEADER = "video,start_frame,end_frame,phase\n"


def write(folder, text):
    (folder / "phases.csv").write_text(text, encoding="utf-8")
    return folder


def test_phases_in_any_order_of_lines(tmp_path):
    write(tmp_path, HEADER + "a.mp4,4,10,pour\nb.mp4,0,5,reach\n\na.mp4, 0, 4, reach out\n")
    phases = read_phases(tmp_path, LENGTHS)
    assert phases == {
        "a.mp4": [Phase(0, 4, "reach out"), Phase(4, 10, "pour")],
        "b.mp4": [Phase(0, 5, "reach")],
    }
    assert phase_labels(phases["a.mp4"], 10) == ["reach out"] * 4 + ["pour"] * 6


def test_quoted_names_and_byte_order_mark(tmp_path):
    text = "\ufeff" + HEADER + '"a, 1.mp4",0,3,"lift, slowly"\n'
    assert read_phases(write(tmp_path, text), {"a, 1.mp4": 3}) == {
        "a, 1.mp4": [Phase(0, 3, "lift, slowly")]
    }


def test_frames_that_no_row_covers_have_no_label(tmp_path):
    rows = "a.mp4,6,8,pour\na.mp4,2,5,reach\n"
    phases = read_phases(write(tmp_path, HEADER + rows), LENGTHS)
    assert phases == {"a.mp4": [Phase(2, 5, "reach"), Phase(6, 8, "pour")]}
    assert phase_labels(phases["a.mp4"], 10) == [
        None, None, "reach", "reach", "reach", None, "pour", "pour", None, None,
    ]  # fmt: skip
    assert phase_labels([], 2) == [None, None]


def test_labels_are_optional(tmp_path):
    assert read_phases(tmp_path, LENGTHS) == {}
    assert read_phases(write(tmp_path, HEADER), LENGTHS) == {}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("c.mp4,0,5,reach", "line 2: no clip 'c.mp4' in this folder"),
        ("a.mp4,0,5,reach\na.mp4,4,10,pour",
         r"line 3: overlap in 'a.mp4': 'pour' starts at frame 4, before 'reach' \(line 2\) ends "
         "at frame 5"),
        ("a.mp4,0,5,reach\na.mp4,0,5,reach", "line 3: overlap in 'a.mp4'"),
        ("a.mp4,0,9,reach\na.mp4,9,10,up\na.mp4,2,3,pour",
         r"line 4: overlap in 'a.mp4': 'pour' starts at frame 2, before 'reach' \(line 2\)"),
        ("a.mp4,0,11,reach",
         "line 2: the phases of 'a.mp4' end at frame 11, but the clip has 10"),
        ("a.mp4,zero,9,reach",
         "line 2: start_frame and end_frame must be whole numbers, got 'zero', '9'"),
        ("a.mp4,0,9.5,reach", "must be whole numbers, got '0', '9.5'"),
        ("a.mp4,-1,9,reach", "line 2: must have 0 <= start_frame < end_frame, got -1, 9"),
        ("a.mp4,5,5,reach", "must have 0 <= start_frame < end_frame, got 5, 5"),
        ("a.mp4,0,10", "line 2: must have 4 fields, got 3"),
        ("a.mp4,0,10,reach,1", "line 2: must have 4 fields, got 5"),
        ("a.mp4,0,10, ", "line 2: phase must not be empty"),
    ],
)  # fmt: skip
def test_wrong_lines(tmp_path, rows, message):
    write(tmp_path, HEADER + rows + "\n")
    with pytest.raises(ValueError, match=message) as caught:
        read_phases(tmp_path, LENGTHS)
    assert "phases.csv: " in str(caught.value)


@pytest.mark.parametrize("text", ["", "video,start,end,phase\n", "a.mp4,0,10,reach\n"])
def test_wrong_header(tmp_path, text):
    with pytest.raises(
        ValueError, match="line 1 must be video,start_frame,end_frame,phase or video,start_seconds"
    ):
        read_phases(write(tmp_path, text), LENGTHS)


def test_not_text(tmp_path):
    (tmp_path / "phases.csv").write_bytes(HEADER.encode() + b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"phases\.csv: not a CSV file in UTF-8"):
        read_phases(tmp_path, LENGTHS)
