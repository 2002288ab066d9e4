"""The oracles: one against the other, the decimal one against all paths and mpmath."""

from decimal import Decimal

import mpmath
import numpy as np
import pytest

from tacref.bands import band_columns
from tacref.variants import VARIANTS
from tacref.verify import answers, oracle, path_oracle, softmax_oracle
from tacref.verify.band_cells import cells_inside
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
        Spec("soft_dtw", steps="slope"),
        Spec("dtw", steps="asymmetric"),
        Spec("divergence"),
        Spec("tcc"),
        Spec("tcc", variant="regression_mse"),
        Spec("sequence_contrastive"),
    ],
)
@pytest.mark.parametrize("band", [None, 4])
def test_wide_floats_agree_with_decimals(spec, band, monkeypatch):
    options = {"band": band} if band and spec.kind.takes_band else {}
    problem = draw(spec, (3,), 14, 12, **options)
    monkeypatch.setattr(answers, "MAX_DECIMAL_CELLS", 10**6)
    decimals = answers.right_answer(spec, problem.inputs, problem.options)
    monkeypatch.setattr(answers, "MAX_DECIMAL_CELLS", 0)
    wide = answers.right_answer(spec, problem.inputs, problem.options)
    # Both are rounded to float64; the wide floats of some machines are no wider.
    assert wide[0] == pytest.approx(decimals[0], rel=1e-14)
    for found, right in zip(wide[1], decimals[1], strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-13 * np.abs(right).max())


@pytest.mark.parametrize("steps", ["any", "slope", "asymmetric"])
@pytest.mark.parametrize(("band", "shape"), [(None, "offset"), (1, "diagonal"), (2, "itakura")])
def test_steps_and_bands_are_over_all_paths(steps, band, shape):
    rng = np.random.default_rng(0)
    listed = {
        "any": ((1, 1), (1, 0), (0, 1)),
        "slope": ((1, 1), (1, 2), (2, 1)),
        "asymmetric": ((1, 0), (1, 1), (1, 2)),
    }[steps]

    def paths(i, j, inside):
        if not (i >= 0 and j >= 0 and (inside is None or inside[i, j])):
            return
        if i == j == 0:
            yield [(0, 0)]
        for a, b in listed:
            yield from ([*path, (i, j)] for path in paths(i - a, j - b, inside))

    for n, m in ((1, 1), (3, 3), (4, 5), (5, 4)):
        D, gamma = rng.uniform(0, 2, (n, m)), 0.7
        inside = cells_inside(n, m, {"band": band, "band_shape": shape})
        allowed = list(paths(n - 1, m - 1, inside))
        assert path_oracle.has_path(steps, n, m, inside) == bool(allowed)
        if not allowed:
            continue
        costs = np.array([sum(D[cell] for cell in path) for path in allowed])
        weights = np.exp((costs.min() - costs) / gamma)
        expected = np.zeros((n, m))
        for path, weight in zip(allowed, weights / weights.sum(), strict=True):
            for cell in path:
                expected[cell] += weight
        value, E = path_oracle.soft_dtw(D.astype(np.longdouble), gamma, steps, inside)
        # A handful of sums in float64.
        assert float(value) == pytest.approx(costs.min() - gamma * np.log(weights.sum()), abs=1e-13)
        np.testing.assert_allclose(E.astype(float), expected, atol=1e-14)
        assert float(path_oracle.dtw(D, steps, inside)) == pytest.approx(costs.min(), abs=1e-14)


def test_cells_of_a_band_are_those_of_the_alignment():
    for n, m in ((1, 4), (3, 3), (7, 4), (5, 9)):
        for shape, band in (("offset", 5), ("diagonal", 1), ("diagonal", 2), ("itakura", 3.5)):
            first, stop = band_columns(n, m, band, shape)
            columns = np.arange(m)
            right = (first[:, None] <= columns) & (columns < stop[:, None])
            np.testing.assert_array_equal(
                cells_inside(n, m, {"band": band, "band_shape": shape}), right
            )


@pytest.mark.parametrize(
    "spec", [Spec("tcc"), Spec("tcc", variant="regression_mse"), Spec("sequence_contrastive")]
)
def test_gradients_of_softmaxes_by_differences(spec):
    problem = draw(spec, (4,), 4, 3, d=2)
    step = Decimal("1e-15")
    with oracle.high_precision():
        arrays = [softmax_oracle.as_decimals(each) for each in problem.inputs]
        numbers = [Decimal(problem.options[name]) for name in spec.options]

        def loss(*arrays):
            if spec.loss == "tcc":
                return softmax_oracle.tcc(*arrays, *numbers, spec.variant)
            return softmax_oracle.sequence_contrastive(*arrays, *numbers)

        _, *gradients = loss(*arrays)
        for array, gradient in zip(arrays, gradients, strict=True):
            for cell in np.ndindex(array.shape):
                kept, values = array[cell], []
                for sign in (1, -1):
                    array[cell] = kept + sign * step
                    values.append(loss(*arrays)[0])
                array[cell] = kept
                slope = (values[0] - values[1]) / (2 * step)
                assert abs(slope - gradient[cell]) < Decimal("1e-22")


def test_values_of_softmaxes_by_hand():
    """Two frames at distance 1, each with itself in the other video: worked out by hand."""
    x = y = np.array([[0.0], [1.0]])
    e = np.exp(-1.0)
    with oracle.high_precision():
        z = softmax_oracle.as_decimals(x)
        value, *_ = softmax_oracle.tcc(z, z, Decimal(1), "regression_mse")
        other, *_ = softmax_oracle.sequence_contrastive(z, z, Decimal(1), Decimal(1))
    # v = (1 + e)^-1 (0 + e 1) from frame 0, and beta of frame 1 is a logistic of 2 v - 1.
    v = e / (1 + e)
    back = 1 / (1 + np.exp(1 - 2 * v))
    assert float(value) == pytest.approx((back / 2) ** 2, abs=1e-15)
    near = 1 / (1 + np.exp(-0.5))
    w = np.array([[near, 1 - near], [1 - near, near]])
    p = np.exp(x @ y.T)
    p /= p.sum(1, keepdims=True)
    assert float(other) == pytest.approx((w * np.log(w / p)).sum() / 2, abs=1e-15)
