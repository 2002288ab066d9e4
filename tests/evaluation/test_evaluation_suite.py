"""`evaluate` on any embeddings: each number is its metric's; wrong input is refused."""

import numpy as np
import pytest

from tacref.evaluation import (
    classification_scores,
    cycle_scores,
    evaluate,
    kendall_scores_by_definition,
    progression_scores_by_definition,
    retrieval_scores,
)
from tacref.evaluation.table import format_table

PHASES = ["down", "up"]


def make_split(seed, count):
    rng = np.random.default_rng(seed)
    embeddings = {
        f"{seed}-{number}": np.linspace(0, 1, n)[:, None] + 0.1 * rng.normal(size=(n, 2))
        for number, n in enumerate(rng.integers(8, 15, count))
    }
    labels = {
        name: [PHASES[2 * frame >= len(rows)] for frame in range(len(rows))]
        for name, rows in embeddings.items()
    }
    return embeddings, labels


VAL, VAL_LABELS = make_split(0, 5)
TRAIN, TRAIN_LABELS = make_split(1, 7)


def test_each_number_is_its_metric_s():
    table = evaluate(
        VAL, VAL_LABELS, train_embeddings=TRAIN, train_labels=TRAIN_LABELS, stride=2, ks=(3,)
    )
    sides = VAL, VAL_LABELS, TRAIN, TRAIN_LABELS
    expected = {
        **{name: each.value for name, each in kendall_scores_by_definition(VAL, stride=2).items()},
        "cycle_error": cycle_scores(VAL).value,
        **{
            f"phase_accuracy@{100 * fraction:g}%": each.value
            for fraction, each in classification_scores(*sides).items()
        },
        **{name: each.value for name, each in progression_scores_by_definition(*sides).items()},
        **{name: each.value for name, each in retrieval_scores(VAL, VAL_LABELS, ks=[3]).items()},
    }
    assert list(table) == list(expected)
    assert "phase_accuracy@10%" in table
    for name, value in expected.items():
        assert table[name].value == pytest.approx(value, abs=1e-12)
        assert table[name].low <= table[name].high
    assert table == evaluate(
        VAL, VAL_LABELS, train_embeddings=TRAIN, train_labels=TRAIN_LABELS, stride=2, ks=(3,)
    )


def test_without_labels_there_are_tau_and_cycles():
    assert list(evaluate(VAL)) == ["kendall_tau", "kendall_tau_defined_pairs", "cycle_error"]
    assert list(evaluate(VAL, VAL_LABELS, ks=[1]))[3:] == [
        "precision_across@1", "average_precision_across@1", "precision_within@1",
        "precision_across_per_video@1", "precision_within_per_video@1",
    ]  # fmt: skip
    collapsed = {name: np.zeros_like(rows) for name, rows in VAL.items()}
    assert list(evaluate(collapsed)) == ["kendall_tau", "cycle_error"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64, np.uint8])
def test_any_type_of_number_counts_as_float64(dtype):
    rows = {name: (10 * video + 5).clip(0).astype(dtype) for name, video in VAL.items()}
    assert evaluate(rows, VAL_LABELS, ks=[3]) == evaluate(
        {name: video.astype(np.float64).tolist() for name, video in rows.items()},
        VAL_LABELS,
        ks=[3],
    )


def test_better_embeddings_score_better():
    rng = np.random.default_rng(5)
    noise = {name: rng.normal(size=rows.shape) for name, rows in VAL.items()}
    better, worse = (evaluate(rows, VAL_LABELS, ks=(3, 5)) for rows in (VAL, noise))
    for name, score in better.items():
        sign = -1 if name == "cycle_error" else 1
        assert sign * score.value > sign * worse[name].value, name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_embeddings": TRAIN}, "train_embeddings and train_labels must be given together"),
        ({"train_embeddings": TRAIN, "train_labels": TRAIN_LABELS}, "need labels of the videos"),
        (
            {"labels": VAL_LABELS, "train_embeddings": VAL, "train_labels": VAL_LABELS},
            "training data is not scored",
        ),
        ({"labels": {"0-0": VAL_LABELS["0-0"]}}, "labels must cover '0-1', frames 0 to "),
        ({"labels": VAL_LABELS | {"0-1": ["up"]}}, r"labels\['0-1'\] must have a phase for each"),
        ({"seed": -1}, "seed must be >= 0, got -1"),
        ({"embeddings": {"a": [[0.0]]}}, "embeddings must hold at least two videos, got 1"),
        ({"embeddings": VAL | {"b": [[np.inf, 0.0]]}}, r"embeddings\['b'\] holds NaN or infinity"),
        ({"embeddings": VAL | {"b": [0.0, 1.0]}}, r"embeddings\['b'\] must have shape \(T, 2\)"),
        (
            {"embeddings": VAL | {"b": [[1j, 0.0]]}},
            r"\['b'\] must hold real numbers, got .*complex",
        ),
        (
            {"embeddings": VAL | {"b": [["1", "2"]]}},
            r"\['b'\] must hold real numbers, got dtype <U",
        ),
        ({"embeddings": VAL | {"b": [[1.0], [1.0, 2.0]]}}, r"\['b'\] cannot be read as an array"),
        ({"embeddings": VAL | {"b": [[2**53, 0]]}}, r"below 2\*\*53, got 9007199254740992"),
    ],
)
def test_wrong_input(options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(**({"embeddings": VAL} | options))


def test_table_leaves_out_what_a_column_lacks():
    scores = evaluate(VAL, VAL_LABELS, ks=[1])
    lines = format_table({"trained": scores, "raw": evaluate(VAL)}).splitlines()
    assert lines[0].split() == ["trained", "raw"]
    assert (
        lines[1]
        == f"kendall_tau                    {scores['kendall_tau']}  {scores['kendall_tau']}"
    )
    assert lines[3].startswith("cycle_error (lower is better)")
    assert lines[4] == f"precision_across@1             {scores['precision_across@1']}"
