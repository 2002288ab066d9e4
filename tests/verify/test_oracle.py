"""The oracles: one against the other, the decimal one against all paths and mpmath."""

from decimal import Decimal

import mpmath
import numpy as np
import pytest

from tacref.variants import VARIANTS
from tacref.verify import answers, oracle
from tacref.verify.draw import draw
from tacref.verify.spec import Spec
from tests import oracles


def test_soft_dtw_is_the_soft_minimum_over_all_paths():
    rng = np.random.default_rng(0)
    for n, m in ((1, 1), (1, 3), (3, 2), (4, 4)):
        D = rng.uniform(0, 2, (n, m))
        for gamma in (0.05, 1.0):
            with oracle.high_precision():
                value, E = oracle.soft_dtw(oracle.to_decimals(D), Decimal(gamma))
            paths = list(oracles.staircase_paths(n, m))
            with mpmath.workdps(40):
                costs = [mpmath.fsum(mpmath.mpf(D[cell]) for cell in path) for path in paths]
                weights = [mpmath.exp(-cost / mpmath.mpf(gamma)) for cost in costs]
                total = mpmath.fsum(weights)
                right = -mpmath.mpf(gamma) * mpmath.log(total)
                expected = np.zeros((n, m))
                for path, weight in zip(paths, weights, strict=True):
                    for cell in path:
                        expected[cell] += float(weight / total)
                assert abs(mpmath.mpf(str(value)) - right) < mpmath.mpf(10) ** -30
            np.testing.assert_allclose(oracle.to_floats(E), expected, rtol=1e-12, atol=1e-15)


def test_band_forbids():
    D = np.random.default_rng(0).uniform(0, 1, (4, 4))
    with oracle.high_precision():
        value, E = oracle.soft_dtw(oracle.to_decimals(D), Decimal("0.1"), band=0)
    assert float(value) == pytest.approx(np.trace(D), abs=1e-14)
    np.testing.assert_array_equal(oracle.to_floats(E), np.eye(4))


@pytest.mark.parametrize("variant", ["paper", "official", "printed", "laser"])
def test_contrastive_idm_gradient_by_differences(variant):
    x = np.random.default_rng(1).normal(size=(5, 2))
    options = (Decimal(2), Decimal(2), variant, [0, 3, 4, 8, 9], 12)

    def value(rows):
        with oracle.high_precision():
            return oracle.contrastive_idm(rows, *options)[0]

    with oracle.high_precision():
        rows = oracle.to_decimals(x)
        _, gradient = oracle.contrastive_idm(rows, *options)
        step = Decimal("1e-20")
        for i in range(5):
            for k in range(2):
                moved = [
                    [[*row] for row in rows],
                    [[*row] for row in rows],
                ]
                moved[0][i][k] += step
                moved[1][i][k] -= step
                slope = (value(moved[0]) - value(moved[1])) / (2 * step)
                assert abs(slope - gradient[i][k]) < Decimal("1e-15")


@pytest.mark.parametrize(
    "spec",
    [
        Spec("dtw"),
        Spec("soft_dtw"),
        Spec("soft_dtw", "embeddings"),
        *(Spec(loss, variant=v) for loss in ("contrastive_idm", "lav") for v in VARIANTS),
    ],
)
@pytest.mark.parametrize("band", [None, 4])
def test_wide_floats_agree_with_decimals(spec, band, monkeypatch):
    options = {"band": band} if band and spec.loss == "soft_dtw" else {}
    problem = draw(spec, (3,), 14, 12, **options)
    decimals = answers.right_answer(spec, problem.inputs, problem.options)
    monkeypatch.setattr(answers, "MAX_DECIMAL_CELLS", 0)
    wide = answers.right_answer(spec, problem.inputs, problem.options)
    # Both are rounded to float64; the wide floats of some machines are no wider.
    assert wide[0] == pytest.approx(decimals[0], rel=1e-14)
    for found, right in zip(wide[1], decimals[1], strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-13 * np.abs(right).max())
