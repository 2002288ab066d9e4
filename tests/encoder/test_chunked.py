"""Chunks shared by threads give the rows and gradients of all frames at once."""

import threading

import pytest
import torch
from torch import nn

from tacref.encoder import EncoderConfig, build_encoder
from tacref.encoder.chunked import in_chunks


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4))


def of_chunks(model, frames, size, threads, weigh):
    rows = in_chunks(model, frames, model.parameters(), size=size, threads=threads)
    (rows * weigh).sum().backward()
    return rows.detach(), [weight.grad for weight in model.parameters()]


@pytest.fixture
def one_thread():
    """Restore torch's number of threads, which new threads set to 1 for themselves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 3, 7, 10, 100])
def test_rows_and_gradients_of_all_frames_at_once(size, threads):
    frames, weigh = torch.randn(10, 3), torch.randn(10, 4)
    model = network()
    rows, grads = of_chunks(model, frames, size, threads, weigh)
    whole = network()
    (whole(frames) * weigh).sum().backward()
    torch.testing.assert_close(rows, whole(frames).detach())
    for grad, weight in zip(grads, whole.parameters(), strict=True):
        torch.testing.assert_close(grad, weight.grad)


@pytest.mark.usefixtures("one_thread")
def test_bits_do_not_depend_on_threads():
    frames, weigh = torch.randn(50, 3), torch.randn(50, 4)
    one, many = (of_chunks(network(), frames, 4, threads, weigh) for threads in (1, 7))
    assert torch.equal(one[0], many[0])
    assert all(torch.equal(a, b) for a, b in zip(one[1], many[1], strict=True))


@pytest.mark.usefixtures("one_thread")
def test_threads_share_chunks_and_each_has_one_of_torchs():
    met, seen = threading.Barrier(3, timeout=60), []

    def compute(frames):
        met.wait()  # which needs three threads at once
        seen.append(torch.get_num_threads())
        return model(frames)

    model = network()
    in_chunks(compute, torch.randn(6, 3), model.parameters(), size=2, threads=3)
    assert seen == [1, 1, 1]


def test_weights_that_are_not_trained():
    model, frames = network(), torch.randn(4, 3)
    model[0].requires_grad_(False)
    rows = in_chunks(model, frames, model.parameters(), size=2, threads=1)
    rows.sum().backward()
    assert model[0].weight.grad is None
    torch.testing.assert_close(model[2].bias.grad, torch.full((4,), 4.0))
    model.requires_grad_(False)
    rows = in_chunks(model, frames, model.parameters(), size=2, threads=1)
    assert not rows.requires_grad


def test_a_second_backward_pass_is_refused():
    model = network()
    rows = in_chunks(model, torch.randn(4, 3), model.parameters(), size=2, threads=1)
    rows.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="only once"):
        rows.sum().backward()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("threads", [1, 2])
def test_errors_come_out(threads):
    def compute(frames):
        raise MemoryError("no more")

    with pytest.raises(MemoryError, match="no more"):
        in_chunks(compute, torch.randn(4, 3), [torch.ones(1)], size=2, threads=threads)


@pytest.mark.usefixtures("one_thread")
def test_the_encoder_in_training():
    encoder = build_encoder(EncoderConfig.default("small", size=32, offsets=(0,)))
    encoder.head.layers[2].p = encoder.head.layers[5].p = 0.0
    frames = torch.randint(0, 256, (11, 48, 40, 3), dtype=torch.uint8)
    weigh = torch.randn(11, encoder.config.dim)
    results = {}
    for chunk in (0, 4):
        encoder.zero_grad()
        encoder.chunk, encoder.chunk_threads = chunk, 2
        rows = encoder.train()(frames)
        (rows * weigh).sum().backward()
        results[chunk] = rows.detach(), [w.grad.clone() for w in encoder.parameters()]
    torch.testing.assert_close(results[0][0], results[4][0])
    for whole, parts in zip(results[0][1], results[4][1], strict=True):
        # Sums over frames in another order.
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(encoder(frames), results[4][0])
