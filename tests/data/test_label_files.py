"""Label files: in seconds, of clips by path, and in formats that name no clip."""

import numpy as np
import pytest

from tacref.data import Phase, iter_frames, read_phases, write_video
from tacref.data.clip_times import clip_times
from tacref.data.phases import read_phase_file
from tests.data.video_files import copy, encode

FRAMES = "video,start_frame,end_frame,phase\n"
SECONDS = "video,start_seconds,end_seconds,phase\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_seconds_are_those_of_the_clip(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((10, 2)))  # 25 a second
    labels = SECONDS + "a.npy,0.04,0.12,reach\na.npy,0.12,0.121,stay\na.npy,0.2,99,pour\n"
    write(tmp_path / "phases.csv", labels)
    assert read_phases(tmp_path, {"a.npy": 10}) == {
        "a.npy": [Phase(1, 3, "reach"), Phase(3, 4, "stay"), Phase(5, 10, "pour")]
    }


def test_seconds_of_a_variable_frame_rate(tmp_path):
    """Frames later and later: the times of the file count, not its mean rate."""
    even = encode(tmp_path / "even.mp4", options={"bf": "0"}, count=12)

    def slow_down(packets):
        for number, packet in enumerate(packets):
            packet.pts = packet.dts = packets[0].pts + number * (number + 9) * packets[0].duration
        return packets

    clip = copy(even, tmp_path / "slow.mkv", slow_down)
    times = np.array([time for _, time in iter_frames(clip)])
    assert np.ptp(np.diff(times)) > 0.1
    np.testing.assert_array_equal(clip_times(clip), times)
    rows = f"slow.mkv,{times[2]},{times[5]},a\nslow.mkv,{times[5] + 1e-3},{times[7] + 1e-3},b\n"
    write(tmp_path / "phases.csv", SECONDS + rows)
    found = read_phases(tmp_path, {"slow.mkv": 12})["slow.mkv"]
    assert found == [Phase(2, 5, "a"), Phase(6, 8, "b")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.npy,0,1,x\na.npy,0.5,2,y",
         r"line 3: overlap in 'a.npy': 'y' starts at 0.5 s, before 'x' \(line 2\) ends at 1.0 s"),
        ("a.npy,0.05,0.07,x", r"line 2: 'x' covers no frame of 'a.npy': none is at 0.05 <= time < "
         r"0.07 s \(the first is at 0, the last at 0.36\)"),
        ("a.npy,7,8,x", "line 2: 'x' covers no frame of 'a.npy'"),
        ("a.npy,one,8,x", "line 2: start_seconds and end_seconds must be numbers, got 'one', '8'"),
        ("a.npy,0,inf,x", "line 2: start_seconds and end_seconds must be numbers, got '0', 'inf'"),
        ("a.npy,2,1.5,x", "line 2: must have 0 <= start_seconds < end_seconds, got 2.0, 1.5"),
        ("a.npy,-1,1.5,x", "line 2: must have 0 <= start_seconds < end_seconds, got -1.0, 1.5"),
    ],
)  # fmt: skip
def test_wrong_seconds(tmp_path, rows, message):
    np.save(tmp_path / "a.npy", np.zeros((10, 2)))
    write(tmp_path / "phases.csv", SECONDS + rows + "\n")
    with pytest.raises(ValueError, match=message):
        read_phases(tmp_path, {"a.npy": 10})


def two_of_a_name(folder):
    for name in ("one", "two"):
        (folder / name).mkdir()
        np.save(folder / name / "a.npy", np.zeros((4, 2)))
    return {folder / name / "a.npy": 4 for name in ("one", "two")}


def test_two_clips_of_one_name_are_told_apart_by_their_paths(tmp_path):
    clips = two_of_a_name(tmp_path)
    one, two = clips
    labels = write(tmp_path / "l.csv", FRAMES + "one/a.npy,0,2,x\n./one/../two/a.npy,1,4,y\n")
    assert read_phase_file(labels, clips) == {one: [Phase(0, 2, "x")], two: [Phase(1, 4, "y")]}
    labels = write(
        tmp_path / "labels" / "l.csv", FRAMES + "../two/a.npy,1,4,y\nthree/a.npy,0,9,z\n"
    )
    assert read_phase_file(labels, clips) == {two: [Phase(1, 4, "y")]}
    # A bare name is that of the clip next to the file, and else of the only clip of that name.
    labels = write(tmp_path / "two" / "l.csv", FRAMES + "a.npy,0,1,z\n")
    assert read_phase_file(labels, clips) == {two: [Phase(0, 1, "z")]}
    labels = write(tmp_path / "l.csv", FRAMES + "a.npy,0,1,z\n")
    assert read_phase_file(labels, {one: 4}) == {one: [Phase(0, 1, "z")]}
    with pytest.raises(ValueError, match=r"line 2: 'a\.npy' may be") as caught:
        read_phase_file(labels, clips)
    assert str(caught.value).endswith(
        f"may be {one} or {two}; write its path from this file's folder, such as 'one/a.npy'"
    )
    # One clip named twice is no other clip.
    twice = {one: 4, one.parent / ".." / "one" / "a.npy": 4}
    assert list(read_phase_file(labels, twice)) == list(twice)


def test_links_to_one_file_have_labels_of_their_own(tmp_path):
    write(tmp_path / "pool" / "clip.npy", "")
    for name in ("a.npy", "b.npy"):
        (tmp_path / name).symlink_to(tmp_path / "pool" / "clip.npy")
    write(tmp_path / "phases.csv", FRAMES + "a.npy,0,4,x\nb.npy,0,4,y\n")
    assert read_phases(tmp_path, {"a.npy": 4, "b.npy": 4}) == {
        "a.npy": [Phase(0, 4, "x")],
        "b.npy": [Phase(0, 4, "y")],
    }


VTT = "WEBVTT\n\n00:00.000 --> 00:00.080\nx\n"


def test_a_file_without_names_is_of_the_clip_that_is_called_like_it(tmp_path):
    clips = two_of_a_name(tmp_path)
    one, two = clips
    np.save(tmp_path / "b.npy", np.zeros((4, 2)))
    clips[tmp_path / "b.npy"] = 4
    phases = [Phase(0, 2, "x")]
    for name in ("b.vtt", "b.npy.vtt", "B/b.vtt"):
        found = read_phase_file(write(tmp_path / name, VTT), clips, reference=one)
        assert found == {tmp_path / "b.npy": phases}
    assert read_phase_file(write(two.with_suffix(".vtt"), VTT), clips) == {two: phases}
    other = write(tmp_path / "other.vtt", VTT)
    assert read_phase_file(other, clips, reference=one) == {one: phases}
    with pytest.raises(ValueError, match=r"names no clip, and none is called like it; call it .* "
                       r"such as a\.vtt"):  # fmt: skip
        read_phase_file(other, clips)
    with pytest.raises(ValueError, match=r"a\.vtt: may be of .*one.a\.npy or .*two.a\.npy; put it"):
        read_phase_file(write(tmp_path / "a.vtt", VTT), clips, reference=one)


@pytest.mark.parametrize("name", ["labels", "labels.srt", "labels.eaf", "clip.mp4"])
def test_other_suffixes(tmp_path, name):
    write(tmp_path / name, FRAMES)
    with pytest.raises(ValueError, match=r"not a label file: must end in \.csv, \.vtt \(WebVTT\)"):
        read_phase_file(tmp_path / name, {"a": 4})


def test_times_of_pictures_and_of_videos_that_are_decoded(tmp_path):
    write_video(tmp_path / "a.mp4", [np.zeros((32, 32, 3), np.uint8)] * 5, fps=12.5)
    np.testing.assert_allclose(clip_times(tmp_path / "a.mp4"), np.arange(5) / 12.5)
    avi = encode(tmp_path / "b.avi", "mpeg4", count=7)  # whose packets state no times
    np.testing.assert_array_equal(clip_times(avi), [time for _, time in iter_frames(avi)])
