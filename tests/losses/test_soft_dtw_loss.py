"""Soft-DTW in torch: held against the reference and against hand-worked tables, both backends."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from tacref.losses import SoftDTWLoss, expected_alignment, soft_dtw
from tacref.reference import dtw, soft_dtw_value_and_grad

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True)
both = pytest.mark.parametrize("backend", ["cpu", "torch"])


def costs(*shape, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(scale * rng.uniform(0, 2, shape))


def value_and_grad(D, gamma, grad_out=None, **options):
    leaf = D.clone().requires_grad_()
    values = soft_dtw(leaf, gamma, **options)
    values.backward(torch.ones_like(values) if grad_out is None else grad_out)
    return values.detach(), leaf.grad


def assert_like_reference(values, E, D, gamma, rows, columns, weights):
    for b, (n, m) in enumerate(zip(rows, columns, strict=True)):
        valid = D[b, :n, :m].numpy()
        value, expected = soft_dtw_value_and_grad(valid, gamma=gamma)
        # Two sums in another order differ by some eps of the costs' sum; the softmin weights
        # magnify that by 1 / gamma.
        rounding = 1e-14 * (np.abs(valid).sum() + gamma)
        np.testing.assert_allclose(values[b].item(), value, rtol=0, atol=rounding)
        np.testing.assert_allclose(
            E[b, :n, :m].numpy(), weights[b] * expected, rtol=0, atol=1e-13 + 10 * rounding / gamma
        )
        outside = torch.ones(E.shape[1:], dtype=torch.bool)
        outside[:n, :m] = False
        assert not E[b][outside].any()


@st.composite
def problems(draw):
    B, n, m = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rows = draw(st.lists(st.integers(1, n), min_size=B, max_size=B))
    columns = draw(st.lists(st.integers(1, m), min_size=B, max_size=B))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    kind = draw(st.sampled_from(["uniform", "signed", "ties"]))
    D = {
        "uniform": rng.uniform(0, 1, (B, n, m)),
        "signed": rng.normal(size=(B, n, m)),
        "ties": rng.integers(0, 3, (B, n, m)).astype(float),
    }[kind]
    D = torch.from_numpy(D * 10 ** draw(st.floats(-3, 3)))
    return D, 10 ** draw(st.floats(-3, 3)), rows, columns, rng.normal(size=B)


@both
@EXAMPLES
@given(problem=problems(), garbage=st.sampled_from([0.0, math.nan, math.inf, -math.inf]))
def test_values_and_gradients_are_the_reference_s(backend, problem, garbage):
    D, gamma, rows, columns, weights = problem
    given_costs = torch.full_like(D, garbage)
    for b, (n, m) in enumerate(zip(rows, columns, strict=True)):
        given_costs[b, :n, :m] = D[b, :n, :m]
    values, E = value_and_grad(
        given_costs,
        gamma,
        torch.from_numpy(weights),
        lengths_x=rows,
        lengths_y=torch.tensor(columns, dtype=torch.int32),
        backend=backend,
    )
    assert_like_reference(values, E, D, gamma, rows, columns, weights)


@both
def test_that_comparison_objects_to_a_gradient_off_by_a_thousandth(backend):
    D = costs(2, 4, 5)
    values, E = value_and_grad(D, 0.1, backend=backend)
    assert_like_reference(values, E, D, 0.1, [4, 4], [5, 5], [1, 1])
    with pytest.raises(AssertionError):
        assert_like_reference(values, 1.001 * E, D, 0.1, [4, 4], [5, 5], [1, 1])
    with pytest.raises(AssertionError):
        assert_like_reference(1.001 * values, E, D, 0.1, [4, 4], [5, 5], [1, 1])


@both
@pytest.mark.parametrize(("n", "m"), [(1, 40), (40, 1), (3, 40), (40, 3), (30, 31)])
def test_long_and_wide(backend, n, m):
    D = costs(2, n, m, seed=n)
    values, E = value_and_grad(D, 0.1, backend=backend)
    assert_like_reference(values, E, D, 0.1, [n, n], [m, m], [1, 1])


@both
def test_tables_worked_by_hand(backend):
    D = torch.tensor([[[5.0]], [[-2.0]]], dtype=torch.float64)
    values, E = value_and_grad(D, 0.3, backend=backend)
    assert values.tolist() == [5, -2]
    assert E.tolist() == [[[1]], [[1]]]

    # One row: one path, through every cell.
    values, E = value_and_grad(torch.arange(4.0)[None, None], 2.0, backend=backend)
    assert values.tolist() == [6]
    assert E.tolist() == [[[1, 1, 1, 1]]]

    # Equal costs c: the diagonal costs 2c, each of the two paths around it 3c.
    c, gamma = 0.7, 0.5
    values, E = value_and_grad(torch.full((1, 2, 2), c).double(), gamma, backend=backend)
    around = math.exp(-c / gamma)
    share = around / (1 + 2 * around)
    # c came through float32; both sides are then exact to float64.
    assert values.item() == pytest.approx(2 * c - gamma * math.log(1 + 2 * around), rel=1e-7)
    expected = torch.tensor([[[1, share], [share, 1]]], dtype=torch.float64)
    torch.testing.assert_close(E, expected, rtol=1e-7, atol=0)


@both
@pytest.mark.parametrize("gamma", [0.05, 1.0, 20.0])
def test_gradcheck(backend, gamma):
    D = costs(3, 4, 5).requires_grad_()
    lengths = {"lengths_x": [4, 1, 2], "lengths_y": [5, 4, 3]}
    assert gradcheck(lambda D: soft_dtw(D, gamma, backend=backend), D)
    assert gradcheck(lambda D: soft_dtw(D, gamma, **lengths, backend=backend), D)


@both
@pytest.mark.parametrize("gamma", [0.2, 1.0])
def test_second_derivatives(backend, gamma):
    D = costs(2, 3, 4).requires_grad_()
    options = {"lengths_x": [3, 2], "lengths_y": [4, 3], "band": 2, "backend": backend}
    assert gradgradcheck(lambda D: soft_dtw(D, gamma, **options), D)
    assert gradcheck(lambda D: expected_alignment(D, gamma, **options), D)
    x, y = (costs(2, size, 2, seed=size).requires_grad_() for size in (3, 4))
    loss = SoftDTWLoss(gamma=gamma, reduction="none", backend=backend, band=2)
    lengths = {"lengths_x": [3, 2], "lengths_y": [4, 3]}
    assert gradgradcheck(lambda x, y: loss(x, y, **lengths), (x, y))


def test_third_derivatives_in_reverse_mode():
    found = []
    for backend in ("cpu", "torch"):
        D = costs(1, 3, 3).requires_grad_()
        E = expected_alignment(D, backend=backend)
        (second,) = torch.autograd.grad(E.square().sum(), D, create_graph=True)
        found.append(torch.autograd.grad(second.square().sum(), D)[0])
    torch.testing.assert_close(*found)


@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # of func.jvp itself
def test_third_derivatives_in_forward_mode_are_refused_by_backend_cpu():
    D = costs(1, 3, 3)

    def second(D):
        return torch.func.jvp(lambda D: expected_alignment(D, backend="cpu"), (D,), (D,))[1]

    with pytest.raises(NotImplementedError, match="in forward mode: backend='torch' has them"):
        torch.func.jvp(second, (D,), (D,))


@both
def test_expected_alignment_is_a_law_over_paths(backend):
    drawn = costs(3, 5, 6, seed=3)
    rows, columns = [5, 3, 1], [6, 2, 4]
    eps = 1e-6  # float32 in the last round
    for D, gamma in ((drawn, 1e-3), (drawn.clone().requires_grad_(), 0.5), (drawn.float(), 50.0)):
        E = expected_alignment(D, gamma, lengths_x=rows, lengths_y=columns, backend=backend)
        assert E.dtype == D.dtype
        for b, (n, m) in enumerate(zip(rows, columns, strict=True)):
            inside = E[b, :n, :m]
            assert inside.min() >= 0
            assert inside.max() <= 1 + eps
            assert inside[0, 0].item() == pytest.approx(1, abs=eps)
            assert inside[-1, -1].item() == pytest.approx(1, abs=eps)
            assert inside.sum(0).min() >= 1 - eps
            assert inside.sum(1).min() >= 1 - eps
            assert E[b].sum().item() == pytest.approx(inside.sum().item())


@both
def test_without_gradients(backend):
    D = costs(2, 4, 4)
    leaf = D.clone().requires_grad_()
    expected = value_and_grad(D, 0.1, backend=backend)
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            values = soft_dtw(leaf, backend=backend)
            E = expected_alignment(leaf * 1.0, backend=backend)
        assert not values.requires_grad
        assert not E.requires_grad
        torch.testing.assert_close(values, expected[0], rtol=0, atol=0)
        # In tensor operations E is a flow of its own.
        torch.testing.assert_close(E, expected[1], rtol=0, atol=1e-15)
    assert leaf.grad is None


@both
def test_symmetries(backend):
    D = costs(2, 5, 7, seed=5)
    values, E = value_and_grad(D, 0.2, backend=backend)
    for other, back in (
        (D.mT, E.mT),  # not contiguous
        (D.flip(1, 2), E.flip(1, 2)),
    ):
        torch.testing.assert_close(value_and_grad(other, 0.2, backend=backend), (values, back))
    torch.testing.assert_close(
        value_and_grad(3.0 * D, 0.6, backend=backend), (3 * values, E), rtol=1e-10, atol=1e-12
    )


@both
def test_inputs_of_any_layout_are_left_alone(backend):
    D = costs(1, 4, 6).expand(3, 4, 6)
    lengths = torch.tensor([[4, 0], [2, 0], [3, 0]])[:, 0]  # a strided view
    before = D.clone(), lengths.clone()
    values = soft_dtw(D, lengths_x=lengths, backend=backend)
    torch.testing.assert_close((D, lengths), before, rtol=0, atol=0)
    for b, n in enumerate((4, 2, 3)):
        torch.testing.assert_close(values[b], soft_dtw(D[:1, :n], backend=backend)[0])


@both
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_is_rounded_once(backend, dtype):
    D = costs(2, 30, 30, scale=10.0).to(dtype)
    values, E = value_and_grad(D, 0.01, backend=backend)
    exact_values, exact_E = value_and_grad(D.double(), 0.01, backend=backend)
    torch.testing.assert_close(
        (values, E), (exact_values.to(dtype), exact_E.to(dtype)), rtol=0, atol=0
    )


@both
@pytest.mark.parametrize(
    ("gamma", "scale"),
    [(1e-3, 1e6), (1e-300, 1.0), (1e-8, 1e150), (1e-3, 1e-12), (1e6, 1.0), (1e100, 1e100)],
)
def test_extremes_stay_finite_and_bounded(backend, gamma, scale):
    D = costs(1, 6, 7, scale=scale)
    values, E = value_and_grad(D, gamma, backend=backend)
    hard = dtw(D[0].numpy())
    paths = 3653  # the Delannoy number D(5, 6)
    slack = 1e-12 * (hard + gamma)
    assert hard - gamma * math.log(paths) - slack <= values.item() <= hard + slack
    assert torch.isfinite(E).all()
    assert E.min() >= 0
    assert E[0, 0, 0].item() == pytest.approx(1)


@both
def test_nan_stays_with_its_item(backend):
    D = costs(3, 4, 4)
    clean = value_and_grad(D, 0.1, backend=backend)
    D[1, 2, 1] = math.nan
    values, E = value_and_grad(D, 0.1, backend=backend)
    assert values.isnan().tolist() == [False, True, False]
    for item in (0, 2):
        torch.testing.assert_close((values[item], E[item]), (clean[0][item], clean[1][item]))


@both
def test_module(backend):
    rng = np.random.default_rng(8)
    x = torch.from_numpy(rng.normal(size=(2, 3, 4))).requires_grad_()
    y = torch.from_numpy(rng.normal(size=(2, 5, 4))).requires_grad_()
    options = {"lengths_x": [3, 2], "lengths_y": torch.tensor([4, 5])}
    each = SoftDTWLoss(gamma=0.5, reduction="none", backend=backend)
    values = each(x, y, **options)
    assert values.shape == (2,)
    D = (x[:, :, None] - y[:, None]).square().sum(-1)
    torch.testing.assert_close(values, soft_dtw(D, 0.5, **options))
    for reduction, expected in (("mean", values.mean()), ("sum", values.sum())):
        loss = SoftDTWLoss(gamma=0.5, reduction=reduction, backend=backend)
        torch.testing.assert_close(loss(x, y, **options), expected)
    assert gradcheck(lambda x, y: each(x, y, **options), (x, y))
    assert each(x.float(), y.float()).dtype == torch.float32
    expected = (
        "SoftDTWLoss(gamma=0.5, reduction='none', steps='any', band=None, "
        f"band_shape='diagonal', backend={backend!r})"
    )
    assert repr(each) == expected
