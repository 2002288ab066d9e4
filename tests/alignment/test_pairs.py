"""Pairwise DTW and soft-DTW: each pair by the oracle and by `dtw`, on any number of threads."""

import doctest
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tacref.alignment import dtw, pairs, pairwise
from tacref.alignment.distances import distance_matrix
from tacref.reference import soft_dtw
from tests import oracles


def sequences_of(*lengths, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, d)) for length in lengths]


def squares(x, y):
    return ((x[:, None] - y[None]) ** 2).sum(-1)


def test_every_pair_by_the_oracle():
    sequences, others = sequences_of(1, 3, 4), sequences_of(2, 4, seed=1)
    for columns, options in ((sequences, {}), (others, {"others": others})):
        hard = pairwise(sequences, **options)
        soft = pairwise(sequences, gamma=0.3, **options)
        assert hard.shape == soft.shape == (3, len(columns))
        for a, x in enumerate(sequences):
            for b, y in enumerate(columns):
                D = squares(x, y)
                # float64 sums of a few terms of order 1, in another order
                assert_allclose(hard[a, b], oracles.dtw(D), rtol=1e-13)
                assert_allclose(soft[a, b], oracles.soft_dtw(D, 0.3)[0], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cost": "cosine"},
        {"cost": "euclidean", "band": 9},
        {"cost": "l1", "steps": "slope"},
        {"steps": "asymmetric"},
        {"band": 10, "band_shape": "offset"},
        {"band": 3.5, "band_shape": "itakura"},
    ],
    ids=str,
)
def test_every_pair_is_what_dtw_and_soft_dtw_return(options):
    sequences = sequences_of(20, 27, 24, 20)
    kept = [rows.copy() for rows in sequences]
    hard, soft = pairwise(sequences, **options), pairwise(sequences, gamma=0.5, **options)
    rest = {name: value for name, value in options.items() if name != "cost"}
    for a, x in enumerate(sequences):
        for b, y in enumerate(sequences):
            assert hard[a, b] == dtw(x, y, **options)
            D = distance_matrix(x, y, options.get("cost", "sqeuclidean"))
            # the kernels round sums of exponentials, in another order
            assert_allclose(soft[a, b], soft_dtw(D, gamma=0.5, **rest), rtol=1e-11)
    if options.get("steps") == "asymmetric":
        assert (hard != hard.T).any()
    else:
        assert_array_equal(hard, hard.T)
        assert_array_equal(soft, soft.T)
    for rows, copy in zip(sequences, kept, strict=True):
        assert_array_equal(rows, copy)


def test_each_pair_is_computed_once(monkeypatch):
    computed = []
    value = pairs._value

    def counted(x, y, options, threads):
        computed.append((len(x), len(y)))
        return value(x, y, options, threads)

    monkeypatch.setattr(pairs, "_value", counted)
    sequences = sequences_of(3, 5, 4)
    pairwise(sequences, threads=1)
    assert computed == [(5, 4), (3, 5), (3, 4)]  # the longest first, none with itself
    for options, count in (
        ({"gamma": 1.0}, 6),  # soft-DTW of a sequence with itself is not 0
        ({"others": sequences}, 9),
        ({"steps": [(1, 2, 1), (1, 0, 1), (1, 1, 1)]}, 9),
    ):
        computed.clear()
        pairwise(sequences, threads=1, **options)
        assert len(computed) == count


@pytest.mark.parametrize("gamma", [None, 0.1])
def test_threads_change_nothing(gamma, monkeypatch):
    monkeypatch.setattr(pairs, "_MIN_SECONDS_PER_PAIR", 0.0)
    sequences = sequences_of(*range(30, 42), d=2)
    one = pairwise(sequences, gamma=gamma, threads=1)
    for threads in (2, 7, 500):  # fewer pairs than threads: these share each pair
        assert_array_equal(pairwise(sequences, gamma=gamma, threads=threads), one)


def test_pairs_run_at_the_same_time(monkeypatch):
    meeting = threading.Barrier(2, timeout=60)

    def meet(x, y, options, threads):
        meeting.wait()
        return float(threads)

    monkeypatch.setattr(pairs, "_value", meet)
    monkeypatch.setattr(pairs, "_MIN_SECONDS_PER_PAIR", 0.0)  # else one thread takes short ones
    assert pairwise(sequences_of(2, 2, 2, 2), threads=2)[0, 1] == 1


def test_small_and_large_values_are_those_of_the_reference():
    x, y = np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [2.0]])
    D = squares(x, y)
    for gamma in (1e-300, 1e-20, 1e6):
        value = pairwise([x], others=[y], gamma=gamma)[0, 0]
        assert_allclose(value, soft_dtw(D, gamma=gamma), rtol=1e-14)


def test_one_sequence_and_bands_of_numbers():
    (x,) = sequences_of(4)
    assert_array_equal(pairwise([x]), [[0.0]])
    assert pairwise([x], gamma=1.0)[0, 0] < 0
    assert pairwise(np.zeros((3, 4, 2))).shape == (3, 3)


def test_a_bar(capsys):
    sequences = sequences_of(2, 3, 4)
    assert_array_equal(pairwise(sequences, progress=True), pairwise(sequences))
    assert capsys.readouterr().err == ""  # no terminal


def test_refusals_name_the_sequence():
    x, y = sequences_of(4, 6)
    nan = y.copy()
    nan[2, 1] = np.nan
    zero = y.copy()
    zero[3] = 0
    for sequences, options, message in (
        ([], {}, "sequences must hold at least one sequence, got none"),
        ([x], {"others": []}, "others must hold at least one sequence, got none"),
        ([x, nan], {}, r"sequences\[1\] must be finite, got nan at \(2, 1\)"),
        ([x], {"others": [x, nan]}, r"others\[1\] must be finite, got nan at \(2, 1\)"),
        ([x, y[:0]], {}, r"sequences\[1\] must have shape \(frames, d\), not empty"),
        ([x, y[:, :2]], {}, r"sequences\[1\] must have d = 3, as sequences\[0\] has, got shape"),
        ([x], {"others": [y[:, :2]]}, r"others\[0\] must have d = 3, as sequences\[0\] has"),
        ([x, ["a"]], {}, r"sequences\[1\] must hold real numbers"),
        ([x, zero], {"cost": "cosine"}, r"sequences\[1\] must not hold rows of zeros"),
        ([x, y], {"cost": "far"}, "cost must be one of"),
        ([x, y], {"gamma": 0}, "gamma must be finite and > 0, got 0"),
        ([x, y], {"steps": "steep"}, "steps must be one of"),
        ([x, y], {"band_shape": "round"}, "band_shape must be one of"),
        ([x, y], {"threads": 0}, "threads must be a whole number >= 1, got 0"),
        ([x, y], {"threads": True}, "threads must be a whole number >= 1, got True"),
        (
            [y, x],
            {"band": 1, "band_shape": "offset"},
            r"sequences\[0\] and sequences\[1\]: band must be >= \|n - m\| = 2",
        ),
        ([x], {"others": [y, x[:1]], "steps": "slope"}, r"sequences\[0\] and others\[1\]: steps"),
        ([x, 1e200 * y], {}, r"sequences\[0\] and sequences\[1\]: x and y must have squared dist"),
        (
            [x, np.zeros((5000, 3)), np.zeros((4000, 3))],
            {"gamma": 1.0},
            r"sequences\[1\] and sequences\[1\]: soft-DTW takes at most 16777216 pairs of frames",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            pairwise(sequences, **options)


def test_an_error_on_a_thread_ends_all(monkeypatch):
    def fail(x, y, options, threads):
        raise ValueError("no")

    monkeypatch.setattr(pairs, "_value", fail)
    monkeypatch.setattr(pairs, "_MIN_SECONDS_PER_PAIR", 0.0)
    with pytest.raises(ValueError, match=r"sequences\[\d+\] and sequences\[\d+\]: no"):
        pairwise(sequences_of(*[3] * 20), threads=4)


def test_no_torch():
    code = (
        "import sys; from tacref.alignment import pairwise, medoid, barycenter\n"
        "rows = [[[0.0], [1.0]], [[2.0]]]\n"
        "pairwise(rows, gamma=1.0), medoid(rows), barycenter(rows)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_example_in_the_docstring():
    failed, tried = doctest.testmod(pairs)
    assert failed == 0
    assert tried >= 2
