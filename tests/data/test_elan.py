"""ELAN's tab-delimited text: the columns its dialog offers, and what is refused with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacref.data.elan import elan_text, read_elan

CLOCK = ("00:00:01.500", "00:01:02.250", "00:01:00.750")
SECONDS = ("1.5", "62.25", "60.75")
MILLISECONDS = ("1500", "62250", "60750")
PAL = ("00:00:01:12", "00:01:02:06", "00:01:00:18")


def read(folder, text):
    path = folder / "labels.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    unit, rows = read_elan(path)
    assert unit == "seconds"
    assert all(row.video is None for row in rows)
    return [(row.line, row.start, row.end, row.phase) for row in rows]


@pytest.mark.parametrize("names", [(), ("tier",), ("tier", ""), ("tier", "Ann"), ("12", "13")])
@pytest.mark.parametrize("has_duration", [True, False])
@pytest.mark.parametrize(
    "formats",
    [
        (CLOCK,),
        (SECONDS,),
        (MILLISECONDS,),
        (CLOCK, SECONDS),
        (CLOCK, SECONDS, MILLISECONDS),
        (PAL, MILLISECONDS),
        (CLOCK, SECONDS, MILLISECONDS, PAL),
    ],
)
@pytest.mark.parametrize("phase", ["reach", "3", "0.5"])
def test_columns_that_its_dialog_offers(tmp_path, names, has_duration, formats, phase):
    if names == ("12", "13") and not has_duration:
        names = ("a 12", "")  # else they are not told from times
    times = [time for part in range(2 + has_duration) for time in (f[part] for f in formats)]
    line = "\t".join((*names, *times, phase))
    lines = [line, line.replace(phase, "other") if phase == "reach" else line]
    files = '"#file:///C:/a.eaf\n"#file:///C:/a.mp4 -- offset: 0\n\n'
    text = "\ufeff" + files + "\n".join(lines) + "\n"
    found = read(tmp_path, text)
    assert found[0] == (4, 1.5, 62.25, phase)
    assert len(found) == 2
    assert read(tmp_path, text.replace("\n", "\r\n")) == found


@pytest.mark.parametrize(
    "titles",
    [
        "Begin Time - hh:mm:ss.ms\tEnd Time - hh:mm:ss.ms\tDuration - hh:mm:ss.ms\tphases",
        "Tier\tParticipant\tBegin Time - msec\tEnd Time - msec\tDuration - msec\tAnnotation",
        "Begin Time - PAL\tBegin Time - ss.msec\tEnd Time - PAL\tEnd Time - ss.msec\tphases\t",
    ],
)
def test_a_line_of_titles(tmp_path, titles):
    values = {"hh:mm:ss.ms": CLOCK, "msec": MILLISECONDS, "PAL": PAL, "ss.msec": SECONDS}
    fields = []
    for title in titles.split("\t"):
        part = ["Begin", "End", "Duration"].index(title.split()[0]) if " - " in title else None
        fields.append("reach" if part is None else values[title.split(" - ")[1]][part])
    if titles.startswith("Tier"):
        fields[:2] = ["phases", ""]
    assert read(tmp_path, f"{titles}\n" + "\t".join(fields) + "\n") == [(2, 1.5, 62.25, "reach")]


def test_written_by_hand():
    assert elan_text([(0, 1.25, "a b"), (3661.5, 3662, "c")]) == (
        "phases\t00:00:00.000\t00:00:01.250\t00:00:01.250\ta b\n"
        "phases\t01:01:01.500\t01:01:02.000\t00:00:00.500\tc\n"
    )
    for phase in ("a\tb", "a\nb", "a\rb"):
        with pytest.raises(ValueError, match="cannot hold the tab or line break in the phase 'a"):
            elan_text([(0, 1, phase)])


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\r\n"), min_size=1)
        .map(str.strip)
        .filter(bool),
        min_size=1,
        max_size=5,
    )
)
def test_any_text_without_tabs_and_line_breaks_comes_back(tmp_path_factory, phases):
    annotations = [(float(k), k + 0.5, phase) for k, phase in enumerate(phases)]
    folder = tmp_path_factory.mktemp("elan")
    assert [row[1:] for row in read(folder, elan_text(annotations))] == annotations


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"labels\.txt: line 1 must be an annotation as ELAN exports it, got nothing"),
        ("video,start_frame,end_frame,phase\n", "line 1: must have tier, begin, end, duration and"),
        ("t\t1.0\t2.0\t1.0\tx\nt\t1.0\t2.0\tx\n", "line 2: must have tier, begin, end, duration"),
        ("t\t1.0\t2.0\t5.0\tx\n", "line 1: must have tier, begin, end, duration and annotation"),
        ("t\t1.0\t2.0\t1.0\tx\nu\t2.0\t3.0\t1.0\ty\n",
         "line 2: tier 'u' after tier 't'; export one tier alone"),
        ("t\t00:00:01:12\t00:00:02:12\t00:00:01:00\tx\n",
         "line 1: must have times as hh:mm:ss.msec, ss.msec or msec, got '00:00:01:12'"),
        ("t\t1.0\t2.0\t1.0\t\n", "line 1: phase must not be empty"),
        ("t\t2.0\t1.0\tx\n", "line 1: must have tier, begin, end, duration and annotation"),
        ("t\t2.0\t2.0\t0.0\tx\n", "line 1: must have 0 <= start_seconds < end_seconds"),
        ("Begin Time - msec\tx\n5\ta\n", "line 1: must have a column End Time"),
        ("Begin Time - msec\tEnd Time - msec\tone\ttwo\n5\t6\ta\tb\n",
         r"line 1: must have one column of annotations, got \['one', 'two'\]"),
        ("Begin Time - msec\tEnd Time - msec\tone\n5\t6\n", "line 2: lacks columns of the titles"),
        (b"\xff\xfe\x00", "not ELAN's text in UTF-8"),
    ],
)  # fmt: skip
def test_refusals(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)
