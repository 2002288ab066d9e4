"""The losses on CUDA: equal to the CPU's, never waiting for the device, in graphs and streams."""

import numpy as np
import pytest
import torch

from tacref.losses import (
    LAVLoss,
    SequenceContrastiveLoss,
    SoftDTWDivergenceLoss,
    SoftDTWLoss,
    TCCLoss,
    contrastive_idm,
    soft_dtw,
)
from tacref.losses.backend import BACKENDS, choose_backend

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine has no CUDA device"
)

# The paper's; one strip; several strips and chunks; one strip in two chunks.
SHAPES = [(32, 20, 20, 128), (3, 257, 190, 16), (2, 700, 1030, 8), (1, 2500, 40, 4)]


def pair(B, n, m, d, dtype=torch.float64, device="cuda", seed=0):
    """Embeddings of unit length to be differentiated, the same on every device."""
    rng = np.random.default_rng(seed)
    rows = [torch.from_numpy(rng.normal(size=(B, count, d))) for count in (n, m)]
    return [
        torch.nn.functional.normalize(each, dim=-1).to(device, dtype).requires_grad_()
        for each in rows
    ]


def ragged(B, n, m, seed=0):
    rng = np.random.default_rng(seed)
    lengths_x, lengths_y = (rng.integers(1 + side // 2, side + 1, B).tolist() for side in (n, m))
    return {"lengths_x": lengths_x, "lengths_y": lengths_y}


def step(loss, x, y, **options):
    """Return the loss and its gradients, on the CPU."""
    given = loss(x, y, **options)
    value = getattr(given, "loss", given)
    value.sum().backward()
    return [each.detach().cpu().double() for each in (value, x.grad, y.grad)]


def test_triton_is_what_runs():
    assert choose_backend(None, torch.device("cuda")) is BACKENDS["triton"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("band", [None, 600])
@pytest.mark.parametrize("loss", [SoftDTWLoss, LAVLoss])
def test_it_equals_the_cpu(shape, band, loss):
    B, n, m, _ = shape
    if band is not None and abs(n - m) > band:
        lengths = {"lengths_x": [min(n, m)] * B, "lengths_y": [min(n, m)] * B}
    else:
        lengths = ragged(B, n, m) if band is None and B > 1 else {}
    made = loss(gamma=0.1, band=band)
    found = step(made, *pair(*shape), **lengths)
    expected = step(made, *pair(*shape, device="cpu"), **lengths)
    for one, other in zip(found, expected, strict=True):
        scale = max(1.0, other.abs().max().item())
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("variant", ["paper", "official", "printed", "laser"])
def test_contrastive_idm_equals_the_cpu(variant):
    results = []
    for device in ("cuda", "cpu"):
        x, _ = pair(5, 150, 1, 32, device=device)
        value = contrastive_idm(x, sigma=6, variant=variant).sum()
        value.backward()
        results.append((value.detach().cpu(), x.grad.cpu()))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13 * other.abs().max().item())


@pytest.mark.parametrize("loss", [SoftDTWDivergenceLoss, TCCLoss, SequenceContrastiveLoss])
def test_the_other_losses_equal_the_cpu(loss):
    options = {}
    if loss is SequenceContrastiveLoss:
        frames = torch.arange(30).expand(4, 30)
        options = {"times_x": frames, "times_y": frames + 1}
    found, expected = (
        step(
            loss(),
            *pair(4, 30, 30, 16, device=device),
            **{name: value.to(device) for name, value in options.items()},
        )
        for device in ("cuda", "cpu")
    )
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-11)


def test_derivatives_of_both_orders():
    x, y = pair(2, 9, 7, 3)
    loss = SoftDTWLoss(gamma=0.5)
    torch.autograd.gradcheck(loss, (x, y))
    torch.autograd.gradgradcheck(loss, (x, y))
    D = torch.rand(2, 6, 5, dtype=torch.float64, device="cuda", requires_grad=True)
    torch.autograd.gradcheck(lambda D: soft_dtw(D, 0.5), (D,))
    torch.autograd.gradgradcheck(lambda D: soft_dtw(D, 0.5), (D,))


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
def test_the_device_is_never_waited_for():
    x, y = pair(4, 300, 280, 16, torch.float32)
    losses = [SoftDTWLoss(), LAVLoss(), SoftDTWLoss(band=40)]
    lengths = [torch.full((4,), count, device="cuda") for count in (290, 270)]

    def steps():
        for loss in losses:
            given = loss(x, y, lengths_x=lengths[0], lengths_y=lengths[1])
            getattr(given, "loss", given).sum().backward()

    steps()  # compiles
    try:
        torch.cuda.set_sync_debug_mode("error")
        steps()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(3, 270, 260, 8), (32, 20, 20, 128)])
@pytest.mark.parametrize("loss", [SoftDTWLoss(), LAVLoss()])
def test_a_cuda_graph_computes_on_new_numbers(loss, shape):
    x, y = pair(*shape, torch.float32)

    def run():
        given = loss(x, y)
        value = getattr(given, "loss", given)
        return value.detach(), *torch.autograd.grad(value, (x, y))

    side = torch.cuda.Stream()  # compiled on a stream of its own, as capture asks for
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = run()
    others = pair(*shape, torch.float32, seed=1)
    with torch.no_grad():
        x.copy_(others[0])
        y.copy_(others[1])
    graph.replay()
    replayed = [each.clone() for each in outputs]
    for one, other in zip(replayed, run(), strict=True):
        assert torch.equal(one, other)


def test_a_stream_of_ones_own():
    x, y = pair(2, 300, 300, 8)
    expected = step(SoftDTWLoss(), x, y)
    x.grad = y.grad = None
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        found = step(SoftDTWLoss(), x, y)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_the_same_to_the_bit_each_time():
    runs = [step(LAVLoss(), *pair(4, 600, 520, 32, torch.float32)) for _ in range(3)]
    for again in runs[1:]:
        assert all(torch.equal(*both) for both in zip(again, runs[0], strict=True))


@pytest.mark.filterwarnings("ignore")  # of the compiler
def test_compiled():
    loss = LAVLoss()

    def value(x, y):
        return loss(2 * x, 2 * y).loss

    results = []
    for function in (value, torch.compile(value, fullgraph=True)):
        x, y = pair(3, 40, 30, 8, torch.float32)
        given = function(x, y)
        results.append((given.detach(), *torch.autograd.grad(given, (x, y))))
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_dtypes_and_autocast(dtype):
    x, y = pair(3, 60, 50, 16, dtype)
    with torch.autocast("cuda", torch.bfloat16):
        found = step(SoftDTWLoss(gamma=1e-2), x, y)
    doubles = [each.detach().double().requires_grad_() for each in (x, y)]
    expected = step(SoftDTWLoss(gamma=1e-2), *doubles)
    # In float64 inside; what comes out is rounded once.
    for one, other in zip(found, expected, strict=True):
        bound = torch.finfo(dtype).eps * other.abs().max().item()
        torch.testing.assert_close(one, other, rtol=0, atol=bound)


def test_costs_where_float32_fails():
    x, y = (100 * each.detach() for each in pair(2, 64, 64, 8))
    found = step(SoftDTWLoss(gamma=1e-3), x.requires_grad_(), y.requires_grad_())
    others = [each.detach().cpu().requires_grad_() for each in (x, y)]
    expected = step(SoftDTWLoss(gamma=1e-3), *others)
    for one, other in zip(found, expected, strict=True):
        scale = other.abs().max().item()
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9 * scale)


def test_memory_is_what_was_counted():
    x, y = pair(32, 512, 512, 64, torch.float32)
    SoftDTWLoss()(x, y).backward()
    x.grad = y.grad = None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    SoftDTWLoss()(x, y).backward()
    torch.cuda.synchronize()
    assert torch.cuda.max_memory_allocated() - before <= 160e6


def test_long_pairs_in_bounded_memory():
    x, y = pair(32, 4096, 4096, 64, torch.float32)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    SoftDTWLoss()(x, y).backward()
    torch.cuda.synchronize()
    # The costs alone, in float64, would take 4.3 GB.
    assert torch.cuda.max_memory_allocated() - before < 2e9
    assert x.grad.isfinite().all()
    assert y.grad.isfinite().all()
