"""The losses as operators: torch.compile, torch.export, vmap, autocast, threads."""

import threading

import numpy as np
import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.library import opcheck

from tacref.losses import (
    LAVLoss,
    SoftDTWLoss,
    contrastive_idm,
    cost_matrix,
    expected_alignment,
    lav_loss,
    operators,
    soft_dtw,
)

LENGTHS = torch.tensor([3, 5]), torch.tensor([6, 2])


def drawn(*shape, seed=0, dtype=torch.float64):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).to(dtype)


def unit(*shape, seed=0, dtype=torch.float32):
    return torch.nn.functional.normalize(drawn(*shape, seed=seed), dim=-1).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("with_grad", [True, False])
def test_opcheck(dtype, with_grad):
    D, Z = (drawn(2, 5, 6, seed=seed, dtype=dtype).requires_grad_() for seed in (1, 2))
    x = drawn(2, 5, 3, dtype=dtype).requires_grad_()
    y = drawn(2, 6, 3, seed=1, dtype=dtype).requires_grad_()
    times, ends = torch.arange(5).repeat(2, 1), torch.tensor([5, 9])
    opcheck(operators.soft_dtw.overload, (D, 0.1, *LENGTHS, -1, with_grad, "cpu"))
    opcheck(operators.soft_dtw_hvp.overload, (D.detach(), Z.detach(), 0.1, *LENGTHS, 4, "cpu"))
    opcheck(operators.soft_dtw_of_embeddings.overload, (x, y, 0.1, *LENGTHS, 4, with_grad, "cpu"))
    for variant in ("paper", "laser"):
        opcheck(
            operators.contrastive_idm.overload,
            (x, LENGTHS[0], times, ends, 1.0, 2.0, variant, with_grad, "cpu"),
        )


def test_compile_gives_the_same_without_a_graph_break():
    loss = LAVLoss(sigma=2, band=4)

    def step(x, y):
        return loss(x, y).loss

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    for n, m in ((6, 5), (8, 9), (4, 4)):  # the second one makes the shapes dynamic
        results = []
        for function in (step, compiled):
            x, y = unit(3, n, 4).requires_grad_(), unit(3, m, 4, seed=1).requires_grad_()
            value = function(x, y)
            results.append((value.detach(), *torch.autograd.grad(value, (x, y))))
        torch.testing.assert_close(results[1], results[0], rtol=1e-6, atol=1e-6)


def test_export():
    class Loss(torch.nn.Module):
        def forward(self, x, y):
            return SoftDTWLoss()(x, y)

    x, y = unit(2, 5, 3), unit(2, 6, 3, seed=1)
    program = torch.export.export(Loss(), (x, y))
    torch.testing.assert_close(program.module()(x, y), Loss()(x, y))


@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_vmap(backend):
    D = drawn(3, 2, 4, 5).requires_grad_()
    values = torch.vmap(lambda D: soft_dtw(D, 0.3, backend=backend))(D)
    torch.testing.assert_close(
        values, torch.stack([soft_dtw(item, 0.3, backend=backend) for item in D])
    )
    (E,) = torch.autograd.grad(values.sum(), D)
    expected = torch.stack([expected_alignment(item.detach(), 0.3) for item in D])
    torch.testing.assert_close(E, expected)


@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_functional_gradients(backend):
    D = drawn(3, 2, 4, 5)

    def value(D):
        return soft_dtw(D, 0.3, backend=backend).sum()

    leaf = D.clone().requires_grad_()
    sum(value(item) for item in leaf).backward()
    torch.testing.assert_close(torch.vmap(torch.func.grad(value))(D), leaf.grad)
    second = torch.func.jacrev(torch.func.grad(value))(D[0])
    expected = torch.autograd.functional.hessian(
        lambda D: soft_dtw(D, 0.3, backend="torch").sum(), D[0]
    )
    torch.testing.assert_close(second, expected)


def test_vmap_of_embeddings_and_of_one_side_alone():
    x, y = drawn(4, 2, 5, 3), drawn(2, 6, 3, seed=1)
    loss = SoftDTWLoss(reduction="none")
    values = torch.vmap(loss, in_dims=(0, None))(x, y)
    torch.testing.assert_close(values, torch.stack([loss(item, y) for item in x]))
    values = torch.vmap(lambda x: contrastive_idm(x, sigma=1))(x)
    torch.testing.assert_close(values, torch.stack([contrastive_idm(z, sigma=1) for z in x]))


@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_autocast_does_not_reach_inside(backend):
    x, y = unit(2, 9, 8), unit(2, 7, 8, seed=1)
    results = []
    for enabled in (False, True):
        leaves = [z.clone().requires_grad_() for z in (x, y)]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            terms = lav_loss(*leaves, backend=backend)
            values = soft_dtw((x @ y.mT).float(), backend=backend) if not enabled else None
            loss = terms.loss.sum()
        results.append((*(t.detach() for t in terms), *torch.autograd.grad(loss, leaves)))
        assert values is None or values.dtype == torch.float32
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=0)


def test_gradient_after_a_forward_pass_without_one():
    # Backward of a graph that was recorded without gradients in the forward pass computes them.
    D = drawn(2, 5, 6)
    expected = soft_dtw(D.requires_grad_(), 0.2)
    (E,) = torch.autograd.grad(expected.sum(), D)
    value, _ = operators.soft_dtw(
        D, 0.2, torch.tensor([5, 5]), torch.tensor([6, 6]), -1, False, "cpu"
    )
    torch.testing.assert_close(torch.autograd.grad(value.sum(), D)[0], E, rtol=0, atol=0)


def test_calls_from_many_threads():
    x, y = unit(5, 40, 8), unit(5, 150, 8, seed=1)
    right = SoftDTWLoss()(x, y)
    found = []

    def work():
        found.extend(SoftDTWLoss()(x, y).item() for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [right.item()] * 80


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("n", "m"), [(1600, 90), (1100, 1000), (30, 30)])
def test_number_of_threads_changes_only_the_order_of_sums(monkeypatch, count, n, m):
    # Long pairs are taken by all threads together, short ones a part of the batch each.
    leaves = [unit(3, size, 4, seed=size).double().requires_grad_() for size in (n, m)]
    results = []
    for threads in (1, count):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        values = SoftDTWLoss(reduction="none")(*leaves)
        results.append((values.detach(), *torch.autograd.grad(values.sum(), leaves)))
    torch.testing.assert_close(results[1][:2], results[0][:2], rtol=0, atol=0)
    torch.testing.assert_close(results[1][2], results[0][2], rtol=1e-13, atol=1e-14)


def test_lav_is_made_of_its_terms():
    x, y = unit(2, 6, 4, dtype=torch.float64), unit(2, 5, 4, seed=1, dtype=torch.float64)
    lengths = {"lengths_x": [6, 4], "lengths_y": [5, 5]}
    for variant in ("paper", "official", "printed", "laser"):
        terms = lav_loss(x, y, gamma=0.3, alpha=0.7, sigma=2, variant=variant, **lengths)
        alignment = SoftDTWLoss(gamma=0.3, reduction="none")(x, y, **lengths)
        regularizer = contrastive_idm(x, sigma=2, variant=variant, lengths=[6, 4])
        regularizer = regularizer + contrastive_idm(y, sigma=2, variant=variant, lengths=[5, 5])
        if variant == "official":
            frames = torch.tensor([11, 9]) / 2
            alignment, regularizer = alignment / frames, regularizer / frames
        torch.testing.assert_close(terms.alignment, alignment)
        torch.testing.assert_close(terms.regularizer, regularizer)
        torch.testing.assert_close(terms.loss, alignment + 0.7 * regularizer)


def test_lazily_negated_and_meta_tensors():
    x = torch.complex(torch.zeros(2, 5, 3), unit(2, 5, 3)).conj().imag
    assert x.is_neg()
    torch.testing.assert_close(SoftDTWLoss()(x, x), SoftDTWLoss()(x.clone(), x.clone()))
    meta = torch.empty(2, 5, 3, device="meta")
    assert lav_loss(meta, meta).loss.shape == (2,)
    assert lav_loss(meta, meta).loss.is_meta


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # shapes are checked in Python
@pytest.mark.parametrize("trace", ["make_fx", "jit"])
def test_a_trace_counts_the_rows_of_the_tensor_that_comes(trace):
    def value(x, y):
        terms = lav_loss(x, y, sigma=1, variant="official")
        return terms.loss.sum() + soft_dtw(cost_matrix(x, y)).sum()

    def of(n):
        return drawn(2, n, 3, seed=n), drawn(2, n + 1, 3, seed=n + 1)

    if trace == "make_fx":
        traced = make_fx(value)(*of(4))
    else:
        traced = torch.jit.trace(value, of(4), check_trace=False)
    for n in (4, 7):
        torch.testing.assert_close(traced(*of(n)), value(*of(n)))


def test_vmap_over_nothing():
    x, y = torch.empty(0, 2, 5, 3), torch.empty(0, 2, 6, 3)
    assert torch.vmap(SoftDTWLoss(reduction="none"))(x, y).shape == (0, 2)
    assert torch.vmap(torch.func.grad(SoftDTWLoss()))(x, y).shape == x.shape
