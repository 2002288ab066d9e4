"""Which cells a band means: definitions on a small matrix, and oracles that keep to them."""

from decimal import Decimal

import mpmath
import numpy as np
import pytest

from tacref.verify import oracle
from tacref.verify.band_cells import DEFINITIONS, FRACTIONS, OFFSET, inside
from tacref.verify.claims.bands import band, band_without_a_path, cells_of_the_band
from tacref.verify.path_oracle import has_path
from tacref.verify.spec import Spec
from tacref.verify.subject import Subject
from tests import oracles
from tests.verify import plain
from tests.verify.faults import batched


def drawn(*rows):
    return np.array([[cell == "x" for cell in row] for row in rows])


# Worked out by hand from the definitions; 4 rows, 8 columns, a band of 2.
ON_4_BY_8 = {
    OFFSET: drawn("xxx.....", "xxxx....", "xxxxx...", ".xxxxx.."),
    "off by one: |i - j| < band": drawn("xx......", "xxx.....", ".xxx....", "..xxx..."),
    "widened: |i - j| <= band + n - m on the longer side, <= band on the other": drawn(
        "xxxxxxx.", "xxxxxxxx", "xxxxxxxx", ".xxxxxxx"
    ),
    "widened, off by one: |i - j| < band + n - m on the longer side, < band on the other": drawn(
        "xxxxxx..", "xxxxxxx.", ".xxxxxxx", "..xxxxxx"
    ),
    "slanted: from corner to corner, in frames of the longer": drawn(
        "xxx.....", ".xxxx...", "...xxxx.", ".....xxx"
    ),
    "slanted: |i m / n - j| <= band": drawn("xxx.....", "xxxxx...", "..xxxxx.", "....xxxx"),
    "slanted: |i m / n - j| <= band, in frames of the longer, counted from 1": drawn(
        "xxxx....", ".xxxxx..", "...xxxxx", ".....xxx"
    ),
}


@pytest.mark.parametrize("definition", ON_4_BY_8)
def test_cells_of_a_band_of_2_on_4_by_8(definition):
    np.testing.assert_array_equal(inside(definition, 4, 8, 2), ON_4_BY_8[definition])


def test_fractions_are_shares_of_a_length():
    square = np.abs(np.subtract.outer(np.arange(8), np.arange(8))) <= 2
    for definition in FRACTIONS:
        np.testing.assert_array_equal(inside(definition, 8, 8, 0.3), square)
    steps = drawn("xxxx....", "xxxxxx..", "..xxxxxx", "....xxxx")
    found = inside("fraction of the shorter, slanted in steps", 4, 8, 0.3)
    np.testing.assert_array_equal(found, steps)


def test_a_mask_has_a_path_if_one_of_all_paths_keeps_to_it():
    rng = np.random.default_rng(0)
    seen = set()
    for n, m in ((1, 1), (1, 3), (3, 2), (3, 4)):
        paths = list(oracles.staircase_paths(n, m))
        for _ in range(50):
            mask = rng.random((n, m)) < 0.8
            right = any(all(mask[cell] for cell in path) for path in paths)
            assert has_path("any", n, m, mask) == right
            seen.add(right)
    assert seen == {True, False}


def test_the_oracle_keeps_to_a_mask():
    rng = np.random.default_rng(1)
    for _ in range(20):
        D, mask = rng.uniform(0, 2, (3, 4)), rng.random((3, 4)) < 0.8
        paths = [p for p in oracles.staircase_paths(3, 4) if all(mask[cell] for cell in p)]
        if not paths:
            continue
        with oracle.high_precision():
            value, E = oracle.soft_dtw(oracle.to_decimals(D), Decimal(1), inside=mask)
            least = oracle.dtw(oracle.to_decimals(D), mask)
        costs = [sum(D[cell] for cell in path) for path in paths]
        assert float(value) == pytest.approx(
            -float(mpmath.log(sum(map(mpmath.exp, np.negative(costs)))))
        )
        assert float(least) == pytest.approx(min(costs))
        assert not oracle.to_floats(E)[~mask].any()


def rows_of_the_band(fn):
    subject = Subject(fn, Spec("soft_dtw"), "a function")
    claims = (cells_of_the_band, band, band_without_a_path)
    return {row.claim: row for claim in claims for row in claim(subject, 0)}


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_each_definition_is_recognized_and_no_failure(definition):
    def banded(D, *, gamma, band=None):
        if band is not None:
            mask = inside(definition, *D.shape[1:], band)
            D = D.masked_fill(~plain.torch.from_numpy(mask.copy()), plain.torch.inf)
        return plain.soft_dtw(D, gamma=gamma)

    rows = rows_of_the_band(banded)
    assert rows["cells of the band"].note == definition
    assert {row.status for row in rows.values()} == {"pass"}
    assert rows["band: value"].note == (
        "" if definition == OFFSET else f"at n = m, of {definition.partition(':')[0]}"
    )


@pytest.mark.parametrize("definition", FRACTIONS)
def test_each_fraction_is_recognized_and_no_failure(definition):
    def banded(D, *, gamma, band=None):
        if band is not None:
            if not 0 <= band <= 1:
                raise ValueError("band must be a fraction")
            mask = inside(definition, *D.shape[1:], band)
            D = D.masked_fill(~plain.torch.from_numpy(mask.copy()), plain.torch.inf)
        return plain.soft_dtw(D, gamma=gamma)

    rows = rows_of_the_band(banded)
    assert rows["cells of the band"].note == definition
    assert {row.status for row in rows.values()} == {"pass"}


def test_what_is_said_of_a_band():
    def zero_is_none(D, *, gamma, band=None):
        return plain.soft_dtw(D, gamma=gamma, band=band or None)

    def refused(D, *, gamma, band=None):
        if band is not None:
            raise NotImplementedError("no band yet")
        return plain.soft_dtw(D, gamma=gamma)

    assert rows_of_the_band(zero_is_none)["cells of the band"].note == f"{OFFSET}; 0: no band"
    assert {row.status for row in rows_of_the_band(zero_is_none).values()} == {"pass"}
    row = rows_of_the_band(refused)["cells of the band"]
    assert (row.status, row.note) == ("refused", "raised NotImplementedError: no band yet")
    row = rows_of_the_band(batched.band_ignored)["cells of the band"]
    assert (row.status, row.note) == ("FAIL", "every cell, as if there were no band")
    row = rows_of_the_band(batched.band_of_half_the_difference)["cells of the band"]
    assert row.note == f"at n = m {OFFSET}; at n != m no definition that is known"
    row = rows_of_the_band(batched.minus_infinity_without_a_path)["band without a path"]
    assert row.note.startswith("-inf, the best loss there is (5 x 2, 2 x 5")
