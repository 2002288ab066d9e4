"""The measurements of losses: all agree, a wrong one cannot win; no times are judged."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are no part of the package

from benchmarks import contestants, losses, measure  # noqa: E402
from benchmarks.contestants import Contestant  # noqa: E402
from benchmarks.inputs import KINDS, make_batch  # noqa: E402
from benchmarks.measure import Skipped, check_feasible, probe  # noqa: E402
from benchmarks.tasks import TASKS, Answer, gradient_error, prepare, read, solve  # noqa: E402

TINY = (2, 9, 3)


def with_contestants(monkeypatch, name, *chosen):
    task = dataclasses.replace(TASKS[name], contestants=chosen)
    monkeypatch.setitem(losses.TASKS, name, task)


def absent(package="a-library-that-nobody-has"):
    return Contestant("absent", lambda device: pytest.fail("loaded"), package, {"float64": 1e-10})


def test_all_that_are_installed_agree(capsys, tmp_path):
    status = losses.main(["--small", "--json", str(tmp_path / "all.json")])
    printed = capsys.readouterr().out
    assert status == 0, printed
    rows = json.loads((tmp_path / "all.json").read_text("utf-8"))["rows"]
    for name, task in TASKS.items():
        dtypes = {
            row["dtype"] for row in rows if (row["task"], row["contestant"]) == (name, "tacref")
        }
        assert dtypes == set(task.contestants[0].tolerance), name
    assert all(row["agrees"] for row in rows)
    for kind in KINDS:
        assert f"| {kind} | tacref, float64 |" in printed
    assert "DISAGREES" not in printed


def test_a_missing_library_is_named(monkeypatch, capsys):
    with_contestants(monkeypatch, "dtw", TASKS["dtw"].contestants[0], absent())
    assert losses.main(["--small", "--only", "dtw"]) == 0
    assert "| dtw | absent not installed |" in capsys.readouterr().out


def test_a_missing_library_is_an_error_where_it_is_required(monkeypatch, capsys):
    with_contestants(monkeypatch, "dtw", TASKS["dtw"].contestants[0], absent())
    assert losses.main(["--small", "--only", "dtw", "--require-peers"]) == 1
    assert capsys.readouterr().err == "error: not installed: absent\n"


def test_a_wrong_value_is_found(monkeypatch, capsys):
    ours = TASKS["dtw"].contestants[0]

    def load(device):
        return lambda x, y: [1.001 * value for value in ours.load(device)(x, y)]

    with_contestants(monkeypatch, "dtw", ours, dataclasses.replace(ours, name="wrong", load=load))
    assert losses.main(["--small", "--only", "dtw"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "DISAGREES" in line]
    assert len(lines) == len(KINDS)
    assert all("| wrong, float64 |" in line for line in lines)


def test_a_wrong_gradient_of_ours_is_found(monkeypatch):
    ours = contestants.OURS

    def load(device):
        # The values stay, the gradients grow by a millionth.
        function = ours.load(device)

        def grown(x, y):
            values = function(x, y)
            return values.detach() + (1 + 1e-6) * (values - values.detach())

        return grown

    with_contestants(monkeypatch, "gradient", dataclasses.replace(ours, load=load))
    assert losses.main(["--small", "--only", "gradient"]) == 1


def test_a_contestant_that_raises_does_not_end_the_others(monkeypatch, capsys):
    ours = TASKS["dtw"].contestants[0]

    def load(device):
        raise RuntimeError("it broke")

    broken = dataclasses.replace(ours, name="broken", load=load)
    with_contestants(monkeypatch, "dtw", ours, broken)
    assert losses.main(["--small", "--only", "dtw"]) == 1
    printed = capsys.readouterr().out
    assert "RuntimeError: it broke" in printed
    assert printed.count("| tacref, float64 |") == len(KINDS)


def test_a_path_that_is_none_is_found():
    task = TASKS["path"]
    with pytest.raises(ValueError, match="path"):
        read(task, "random", (1, 3, 2), [[(0, 0), (2, 2)]])


def test_a_path_that_is_not_the_cheapest_costs_more():
    task, shape = TASKS["path"], (1, 4, 3)
    around = [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (3, 3)]
    assert read(task, "videos", shape, [around]).values > solve(task, "videos", shape).values


def test_gradient_error_is_relative_to_the_largest_entry_of_both():
    truth = Answer(np.zeros(1), (np.array([1.0, -4.0]), np.array([2.0, 0.0])))
    answer = Answer(np.zeros(1), (np.array([1.0, -4.0]), np.array([2.0, 0.1])))
    assert gradient_error(answer, truth) == 0.1 / 4.0


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_the_same_every_time_and_of_unit_length(kind):
    x, y = make_batch(kind, TINY)
    again = make_batch(kind, TINY)
    assert x.dtype == y.dtype == np.float32
    assert x.shape == y.shape == TINY
    assert np.array_equal(x, again[0])
    assert np.array_equal(y, again[1])
    # Rounded to float32: 2**-24 a coordinate.
    np.testing.assert_allclose(np.linalg.norm(x.astype(np.float64), axis=-1), 1.0, atol=1e-6)
    assert not np.array_equal(x, y)


def test_a_call_leaves_no_gradient_for_the_next():
    task = TASKS["gradient"]
    call = prepare(task, contestants.OURS, "videos", TINY, "float64", "cpu")
    first, second = (read(task, "videos", TINY, call()) for _ in range(2))
    for one, other in zip(first.gradients, second.gradients, strict=True):
        assert np.array_equal(one, other)


def test_memory_is_measured_in_a_process_of_its_own():
    shape = (1, 1024, 2)
    measured = probe("memory", "gradient", "tacref, backend torch", shape, "float64", "cpu")
    # Its cost matrix alone has 8 bytes a cell.
    assert measured["extra_bytes"] >= 8 * 1024**2
    assert measured["peak_bytes"] > measured["extra_bytes"]


def test_a_process_that_fails_says_why():
    with pytest.raises(Skipped, match="failed: StopIteration"):
        probe("memory", "gradient", "nobody", TINY, "float64", "cpu")


def test_what_would_take_long_is_skipped(monkeypatch):
    monkeypatch.setattr(measure, "DIRECT", 0)
    monkeypatch.setattr(measure, "probe", lambda *_: {"seconds": 1.0, "extra_bytes": 0})
    with pytest.raises(Skipped, match="skipped: estimated 64 s"):
        check_feasible("gradient", "peer", (1, 1024, 2), "float64", "cpu")
    check_feasible("gradient", "peer", (1, 512, 2), "float64", "cpu")


def test_what_would_need_too_much_memory_is_skipped(monkeypatch):
    monkeypatch.setattr(measure, "DIRECT", 0)
    monkeypatch.setattr(measure, "probe", lambda *_: {"seconds": 0.0, "extra_bytes": 10**15})
    with pytest.raises(Skipped, match="skipped: estimated 1000000 GB of memory"):
        check_feasible("gradient", "peer", (1, 128, 2), "float64", "cpu")


def test_the_measuring_command_prints_a_row_for_each_contestant(monkeypatch, capsys):
    monkeypatch.setattr(measure, "REPEATS", (1, 1))
    with_contestants(monkeypatch, "dtw", TASKS["dtw"].contestants[0], absent())
    assert losses.main(["--only", "dtw", "--shapes", "2x9x3", "--budget", "0"]) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith("| 2 x 9 x 3 | ")]
    assert len(rows) == len(KINDS)
    assert all(line.count("|") == len(losses.COLUMNS) + 1 for line in rows)


def test_a_device_that_is_not_there_is_an_error(monkeypatch, capsys):
    monkeypatch.setattr(losses.torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as stopped:
        losses.main(["--device", "cuda"])
    assert stopped.value.code == 2
    assert "--device cuda: torch finds no GPU" in capsys.readouterr().err


def test_the_figure_is_drawn(monkeypatch, tmp_path):
    monkeypatch.setattr(measure, "REPEATS", (1, 1))
    with_contestants(monkeypatch, "gradient", contestants.OURS)
    path = tmp_path / "images" / "scaling.png"
    arguments = ["--small", "--only", "gradient", "--budget", "0", "--plot", str(path)]
    assert losses.main(arguments) == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_sum_over_the_batch_is_compared_with_the_sum(monkeypatch):
    ours = contestants.OURS

    def load(device):
        return lambda x, y: ours.load(device)(x, y).sum()

    summed = dataclasses.replace(ours, name="summed", package="numpy", load=load, summed=True)
    with_contestants(monkeypatch, "gradient", summed)
    assert losses.main(["--small", "--only", "gradient"]) == 0
    with_contestants(monkeypatch, "gradient", dataclasses.replace(summed, summed=False))
    with pytest.raises(ValueError, match="summed returned 1 values, not 3"):
        losses.main(["--small", "--only", "gradient"])


def test_an_unknown_contestant_is_an_error(capsys):
    with pytest.raises(SystemExit):
        losses.main(["--only", "dtw", "--who", "aeon", "nobody"])
    assert "--who: unknown: nobody; known: aeon, ddtw," in capsys.readouterr().err


def test_some_contestants_are_chosen():
    names = [who.name for who in losses._present(TASKS["gradient"], "cpu", ["nobody"])]
    assert names == ["tacref"]
    both = ["tacref, backend torch"]
    names = [who.name for who in losses._present(TASKS["gradient"], "cpu", both)]
    assert names == ["tacref", *both]
