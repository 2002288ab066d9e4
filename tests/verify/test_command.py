"""`tacref verify`: status, one clear line, JSON and HTML, whatever the function does."""

import importlib
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from tacref.commands import main
from tacref.verify.page import to_html
from tacref.verify.report import Report, Row


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch):
    monkeypatch.setattr("tacref.verify.claims.extremes.MAX_SECONDS_PER_CALL", 0.05)
    monkeypatch.setattr("tacref.verify.shrink.MAX_SECONDS_TO_SIMPLIFY", 0.1)


def verify(name, *options):
    return main(["verify", f"tests.verify.odd_losses:{name}", "--as", "soft_dtw", *options])


@pytest.mark.parametrize(
    ("name", "status", "line"),
    [
        ("right", 0, ""),
        ("loud", 0, ""),
        ("closes_the_output", 0, ""),
        ("wrong", 1, ""),
        ("returns_none", 1, ""),
        ("returns_its_input", 1, ""),
        ("whole_numbers", 1, ""),
        ("complex_numbers", 1, ""),
        ("half_precision", 1, ""),
        ("on_meta", 1, ""),
        ("exits_in_backward", 1, ""),
        ("gradient_that_requires_grad", 1, ""),
        ("sets_everything", 1, ""),
        ("exits", 2, "tests.verify.odd_losses:exits: always raised SystemExit: 3"),
        (
            "interrupts",
            2,
            "tests.verify.odd_losses:interrupts: always raised Interruption: two lines",
        ),
        ("mute", 2, "tests.verify.odd_losses:mute: always raised Mute"),
        ("stops", 2, "tests.verify.odd_losses:stops: always raised StopIteration"),
        (
            "of_arrays",
            2,
            "framework must be numpy for tests.verify.odd_losses:of_arrays, got torch",
        ),
    ],
)
def test_status_and_line(name, status, line, capfd):
    state = (torch.get_default_dtype(), torch.is_grad_enabled(), np.geterr())
    assert verify(name) == status
    out, err = capfd.readouterr()
    assert line in err
    assert err.count("\n") == (1 if line else 0)
    assert bool(out) == (status < 2)
    assert not {"print", "write"} & set(out.split())
    assert state == (torch.get_default_dtype(), torch.is_grad_enabled(), np.geterr())


def test_ctrl_c_gets_through(monkeypatch, capsys):
    def interrupted(D, *, gamma):
        raise KeyboardInterrupt

    monkeypatch.setattr("tests.verify.odd_losses.right", interrupted)
    assert verify("right") == 130


def test_what_damages_the_checking_itself_is_one_line(monkeypatch, capsys):
    def damaged(*arguments, **options):
        raise RuntimeError("torch is gone")

    monkeypatch.setattr(sys.modules["tacref.verify.card"], "claim_rows", damaged)
    assert verify("right") == 2
    name = "tests.verify.odd_losses:right"
    line = f"tacref verify: {name}: could not be checked (RuntimeError: torch is gone)\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine:loss"], "--as must say"),
        (["--as", "lav"], "needs a function"),
        (["nothing", "--as", "lav"], "module:name, got 'nothing'"),
        (["no_such_module:f", "--as", "lav"], "cannot be imported"),
        (["../mine/my_module:f", "--as", "lav"], "../mine/my_module: is no name of a module; run"),
        (["math:pi", "--as", "lav"], "is a float, not a function"),
        (["math:sqrt", "--as", "new"], "invalid choice"),
        (["--seed=-1"], "argument --seed: must be >= 0 and < 2**63, got -1"),
        (["--html", "/"], "/: output file is a folder"),
        (["--html"], "argument --html: expected one argument"),
        (["--json", "--markdown"], "argument --markdown: not allowed with argument --json"),
        (["--markdown", "--as", "lav", "--json"], "--json: not allowed with argument --markdown"),
        (["tests.verify.odd_losses:no_such", "--as", "lav"], "cannot be imported"),
        (["tacref.losses:soft_dtw", "--as", "lav"], "must take (x, y, gamma=, alpha=, sigma="),
    ],
)
def test_bad_arguments(arguments, message, capsys):
    assert main(["verify", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_module_that_exits(tmp_path, monkeypatch, capsys):
    (tmp_path / "exits_at_once.py").write_text("import sys\nprint('hello')\nsys.exit(0)\n")
    monkeypatch.chdir(tmp_path)
    assert main(["verify", "exits_at_once:f", "--as", "dtw"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "tacref verify: exits_at_once:f: cannot be imported (SystemExit: 0)\n"


@pytest.mark.parametrize(
    ("name", "status", "verdict"),
    [("right", 0, "passed"), ("wrong", 1, "FAILED"), ("exits", 2, "could not be checked")],
)
def test_json_and_html_say_the_same(name, status, verdict, tmp_path, capsys):
    page = tmp_path / "card.html"
    assert verify(name, "--json", "--html", str(page)) == status
    card = json.loads(capsys.readouterr().out)
    assert card["passed"] == card["reports"][0]["passed"] == (verdict == "passed")
    assert card["verdict"] == card["reports"][0]["verdict"] == verdict
    assert set(card["versions"]) == {"tacref", "Python", "NumPy", "torch"}
    assert ("FAIL" in {row["status"] for row in card["reports"][0]["rows"]}) == (status > 0)
    text = page.read_text()
    assert f"tests.verify.odd_losses:{name}" in text
    assert f">{verdict}</strong>" in text
    assert card["date"][:10] in text
    assert all(f"{name} {version}" in text for name, version in card["versions"].items())
    assert "http" not in text.replace("<meta http-equiv=", "")


@pytest.mark.parametrize(
    ("name", "status", "told"),
    [
        ("right", 0, r"passed ([1-9]\d+) of \1 claims"),
        ("wrong", 1, r"FAILED [1-9]\d+ of [1-9]\d+ claims"),
        ("exits", 2, "could not be checked"),
    ],
)
def test_markdown_for_an_issue(name, status, told, tmp_path, capsys):
    page = tmp_path / "card.html"
    assert verify(name, "--markdown", "--html", str(page)) == status
    out, err = capsys.readouterr()
    badge = rf"!\[soft_dtw: {told}\]\(https://img\.shields\.io/badge/soft__dtw-\S+\)\n"
    assert re.match(badge, out)
    assert f"### <code>tests.verify.odd_losses:{name}</code>\n" in out
    assert out.endswith("\n")
    assert not out.endswith("\n\n")
    assert f"torch {torch.__version__}" in out
    assert err.count("\n") == (status == 2)
    assert f"tests.verify.odd_losses:{name}" in page.read_text()


def test_text_in_the_page_is_escaped():
    row = Row("<i>", "FAIL", note="<script>", snippet="<b>")
    page = to_html([Report("<img onerror=x>", "<u>", (row,), "<s>")])
    for tag in ("<img", "<b>", "<i>", "<u>", "<s>"):
        assert tag not in page
    assert page.count("<script") == 1  # its own


def test_wide_parts_of_the_page_scroll_by_themselves():
    page = to_html([Report("a:b", "dtw", (Row("value", "FAIL", snippet="x" * 500),))])
    assert '<meta name="viewport" content="width=device-width' in page
    wide = '<div class="wide" tabindex="0" role="region" aria-label="Claims of a:b"><table>'
    assert wide in page
    assert ".wide { overflow-x: auto;" in page
    assert "pre { overflow-x: auto;" in page


def test_the_module_runs_as_a_command():
    command = [sys.executable, "-m", "tacref.verify", "math:pi", "--as", "dtw"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "tacref verify: math:pi: is a float, not a function\n"


def test_names_and_messages_of_any_characters(monkeypatch, tmp_path, capsys):
    # Sequences that clear a terminal, reverse a line, or are no text at all.
    name = "a\x1b[2J\u202eb\udcffc"

    def raises_it(D, *, gamma):
        raise RuntimeError(name)

    module = importlib.import_module("tests.verify.odd_losses")
    monkeypatch.setattr(module, name, module.wrong, raising=False)
    monkeypatch.setattr(module, "raises_it", raises_it, raising=False)
    page = tmp_path / "card.html"
    for function, status in ((name, 1), ("raises_it", 2), (f"missing{name}", 2)):
        assert verify(function, "--html", str(page)) == status
        captured = capsys.readouterr()
        text = captured.out + captured.err + (page.read_text("utf-8") if page.exists() else "")
        assert all(line.isprintable() for line in text.split("\n"))
        page.unlink(missing_ok=True)


@pytest.mark.parametrize("seed", ["1e308", "-0.0", "nan", "inf", "-1", "9" * 5000])
def test_seeds_that_are_none(seed, capsys):
    assert verify("right", f"--seed={seed}") == 2
    assert capsys.readouterr().err.count("\n") == 1
