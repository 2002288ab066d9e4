"""WebVTT: cues are read with their escapes, and refused with file and line where they are wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacref.data.webvtt import read_webvtt, webvtt_text


def read(folder, text):
    path = folder / "labels.vtt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    unit, rows = read_webvtt(path)
    assert unit == "seconds"
    assert all(row.video is None for row in rows)
    return [(row.line, row.start, row.end, row.phase) for row in rows]


def test_all_that_a_file_may_hold(tmp_path):
    text = (
        "\ufeffWEBVTT - made by hand\nKind: chapters\n\n"
        "NOTE\nnot --> a cue\n\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:a\n\n"
        "00:01.500 --> 00:02.000\nreach\n\n"
        "cue 2\n01:00:03.000-->100:00:04.250 align:start line:0\n"
        "<v Ann>a &amp; b &lt;c&gt; --&gt; <b>d</b>\nsecond line\n\n"
        "NOTE a remark of one line\n\n"
        "100:00:05.000\t-->\t100:00:06.000\n  last&#10;one  "
    )
    expected = [
        (14, 1.5, 2.0, "reach"),
        (18, 3603.0, 360004.25, "a & b <c> --> d\nsecond line"),
        (24, 360005.0, 360006.0, "last\none"),
    ]
    assert read(tmp_path, text) == expected
    assert read(tmp_path, text.replace("\n", "\r\n")) == expected
    assert read(tmp_path, "WEBVTT") == []


def test_written_by_hand():
    assert webvtt_text([(0, 1.25, "a --> b"), (3661.5, 3662, "x<y> & z\n")]) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\na --&gt; b\n\n"
        "01:01:01.500 --> 01:01:02.000\nx&lt;y&gt; &amp; z&#10;\n"
    )


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
        .map(str.strip)
        .filter(bool),
        max_size=5,
    )
)
def test_any_text_comes_back(tmp_path_factory, phases):
    cues = [(float(k), k + 0.5, phase) for k, phase in enumerate(phases)]
    folder = tmp_path_factory.mktemp("vtt")
    assert [row[1:] for row in read(folder, webvtt_text(cues))] == cues


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"labels\.vtt: line 1 must be WEBVTT, got ''"),
        ("WEBVTTX\n", "line 1 must be WEBVTT, got 'WEBVTTX'"),
        ("1\n00:00:01,000 --> 00:00:02,000\nx\n", "line 1 must be WEBVTT, got '1'"),
        ("WEBVTT\n\n1\n00:00:01,000 --> 00:00:02,000\nx\n", "line 4: must be the times of a cue"),
        ("WEBVTT\n\nreach\n", "line 3: must be the times of a cue, .* got 'reach'"),
        ("WEBVTT\n\n00:01.000 --> 00:61.000\nx\n", "line 3: must be the times of a cue"),
        ("WEBVTT\n\n00:02.000 --> 00:01.000\nx\n",
         r"line 3: must have 0 <= start_seconds < end_seconds, got 2\.0, 1\.0"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n\n", "line 3: phase must not be empty"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n<i> </i>\n", "line 3: phase must not be empty"),
        (b"WEBVTT\n\n\xff\xfe\x00", "not a WebVTT file in UTF-8"),
    ],
)  # fmt: skip
def test_refusals(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "WEBVTT\n\n00:00.000 --> 00:00.400\na\n00:00.400 --> 00:00.800\nb\n",
        "WEBVTT\n00:00.000 --> 00:00.400\na\n\n00:00.400 --> 00:00.800\nb",
        "WEBVTT\n \n00:00.000 --> 00:00.400\na\n\t\n00:00.400 --> 00:00.800\nb\n",
    ],
)
def test_cues_without_an_empty_line_before_them(tmp_path, text):
    assert [row[1:] for row in read(tmp_path, text)] == [(0.0, 0.4, "a"), (0.4, 0.8, "b")]
