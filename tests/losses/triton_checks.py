"""For tests of the Triton kernels: inputs, comparison with 50 digits, who writes where."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.testing import assert_allclose

from tacref.losses.backends import triton as kernels
from tests import oracles

INSTALLED = importlib.util.find_spec("triton") is not None
INTERPRETED = os.environ.get("TRITON_INTERPRET", "0") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"


def run_apart(*arguments, **environment):
    """Run Python in a process of its own, with these words and this environment."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def random(shape, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).uniform(0, 1, shape)


def lengths(*numbers):
    return torch.tensor(numbers, device=DEVICE)


def padded(matrices, dtype=torch.float64):
    """Stack matrices of several shapes, with NaN where they end, in a batch that is no copy."""
    n, m = (max(each.shape[side] for each in matrices) for side in (0, 1))
    batch = torch.full((len(matrices), m, n), torch.nan, dtype=dtype).mT
    for item, each in zip(batch, matrices, strict=True):
        item[: each.shape[0], : each.shape[1]] = torch.as_tensor(each)
    rows, columns = (lengths(*(each.shape[side] for each in matrices)) for side in (0, 1))
    return batch.to(DEVICE), rows, columns


def framed(matrix, shape):
    """Put a matrix into the upper left of one of zeros."""
    frame = np.zeros(shape)
    frame[: matrix.shape[0], : matrix.shape[1]] = matrix
    return frame


def check_soft_dtw(matrices, gamma, band=None, directions=None, rtol=1e-14, atol=1e-14):
    """Compare with 50 digits; gradients and products relative to their largest entries."""
    D, rows, columns = padded(matrices)
    free = -1 if band is None else band
    values, E = kernels.soft_dtw(D, gamma, rows, columns, free, True)
    assert values.dtype == torch.float64
    if directions is not None:
        Z, _, _ = padded(directions)
        products = kernels.soft_dtw_hvp(D, Z, gamma, rows, columns, free).cpu().numpy()
    for item, matrix in enumerate(matrices):
        Z = None if directions is None else directions[item]
        banded = oracles.forbid_outside(matrix, band)
        value, right, product = oracles.exact_soft_dtw(banded, gamma, Z)
        value = np.inf if value is None else value
        assert_allclose(values[item].item(), value, rtol=rtol, atol=atol * gamma)
        # Of probabilities: at most 1.
        found = E[item].cpu().numpy()
        assert_allclose(found, framed(right, found.shape), rtol=0, atol=atol)
        assert not np.any(found[framed(right, found.shape) == 0] > atol)
        if directions is not None:
            scale = max(1.0, np.abs(product).max())
            assert_allclose(
                products[item], framed(product, found.shape), rtol=0, atol=10 * atol * scale
            )


def watch(monkeypatch):
    """Let the interpreter fail where what one lane writes is touched by another."""
    from triton.runtime import interpreter

    builder, execute = interpreter.interpreter_builder, interpreter.GridExecutor.__call__
    touched, written = {}, set()

    def note(pointers, mask):
        lanes = np.flatnonzero(mask.data)
        addresses = np.broadcast_to(pointers.data, np.shape(mask.data)).ravel()[lanes].tolist()
        for address, lane in zip(addresses, lanes.tolist(), strict=True):
            touched.setdefault(address, set()).add((builder.grid_idx, lane))
        return addresses

    def load(pointers, mask, *others, load=builder.create_masked_load):
        note(pointers, mask)
        return load(pointers, mask, *others)

    def store(pointers, values, mask, *others, store=builder.create_masked_store):
        written.update(note(pointers, mask))
        return store(pointers, values, mask, *others)

    def backward(*place, place_at=builder.set_grid_idx):
        place_at(*(size - 1 - each for size, each in zip(builder.grid_dim, place, strict=True)))

    def launch(self, *arguments, **options):
        touched.clear()
        written.clear()
        execute(self, *arguments, **options)
        assert all(len(touched[address]) == 1 for address in written)

    monkeypatch.setattr(builder, "create_masked_load", load)
    monkeypatch.setattr(builder, "create_masked_store", store)
    monkeypatch.setattr(builder, "set_grid_idx", backward)
    monkeypatch.setattr(interpreter.GridExecutor, "__call__", launch)
