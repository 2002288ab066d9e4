"""The measurements of parts: all agree, a wrong answer is found; no times are judged."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are no part of the package

from benchmarks import parts, subsequence  # noqa: E402


def test_all_that_are_installed_agree(capsys):
    assert subsequence.main(["--small"]) == 0
    printed = capsys.readouterr().out
    assert "| noise | 150 x 3000 x 4 | tacref |" in printed
    assert "DISAGREES" not in printed


def test_a_wrong_answer_is_found(monkeypatch, capsys):
    def wrong(x, y):
        begin, end, cost = subsequence.tacref_match(x, y)
        return begin, end, cost * 1.001

    monkeypatch.setitem(subsequence.CONTESTANTS, "wrong", wrong)
    assert not subsequence.agree(["tacref", "wrong"])
    assert "| wrong | " in capsys.readouterr().out


def test_a_missing_library_is_an_error_where_it_is_required(monkeypatch, capsys):
    monkeypatch.setitem(subsequence.CONTESTANTS, "a-library-that-nobody-has", pytest.fail)
    assert subsequence.main(["--small", "--require-peers"]) == 1
    captured = capsys.readouterr()
    assert "a-library-that-nobody-has: not installed" in captured.out
    assert captured.err == "error: not all are installed\n"


def test_a_table_of_times(monkeypatch, capsys):
    monkeypatch.setitem(subsequence.CELL_BYTES, "librosa", 1e30)
    subsequence.compare(["tacref", "librosa"], "planted", (20, 300, 4), 1)
    ours, other = capsys.readouterr().out.splitlines()
    assert ours.startswith("| planted | 20 x 300 x 4 | tacref | ")
    assert "| librosa | needs " in other


def test_clips_are_found_among_others(capsys):
    assert parts.main(["--trials", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[2].endswith("| 3 of 3 |")
