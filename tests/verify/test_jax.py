"""`framework="jax"`: a right loss passes, wrong ones are convicted with code that shows it."""

import contextlib
import importlib.util
import io

import numpy as np
import pytest

from tacref.verify import check
from tacref.verify.claims import extremes

HAS_JAX = importlib.util.find_spec("jax") is not None
needs_jax = pytest.mark.skipif(not HAS_JAX, reason="JAX is not installed")


@pytest.mark.skipif(HAS_JAX, reason="JAX is installed")
def test_one_line_says_that_jax_is_missing():
    with pytest.raises(ValueError, match="framework jax needs JAX, which is not installed"):
        check(lambda D, *, gamma: D.sum(), "soft_dtw", framework="jax")


def soft_dtw(D, *, gamma):
    """Equation 4 by scans along rows; single cells by a scan, too."""
    import jax
    import jax.numpy as jnp

    def row_after(above, costs):
        def cell(left, inputs):
            cost, diagonal, up = inputs
            before = jnp.stack([diagonal, up, left])
            least = before.min()
            shifted = jnp.where(jnp.isfinite(before), (least - before) / gamma, -jnp.inf)
            value = cost + least - gamma * jax.nn.logsumexp(shifted)
            return value, value

        _, row = jax.lax.scan(cell, jnp.array(1e300, D.dtype), (costs, above[:-1], above[1:]))
        return jnp.concatenate([jnp.full(1, 1e300, D.dtype), row]), None

    start = jnp.full(D.shape[1] + 1, 1e300, D.dtype).at[0].set(0.0)
    return jax.lax.scan(row_after, start, D)[0][-1]


def off_by_a_factor(D, *, gamma):
    return 1.01 * soft_dtw(D, gamma=gamma)


def gradient_stopped(D, *, gamma):
    import jax

    value = soft_dtw(D, gamma=gamma)
    return 0.5 * value + 0.5 * jax.lax.stop_gradient(value)


def ignores_upstream(D, *, gamma):
    import jax

    @jax.custom_vjp
    def loss(D):
        return soft_dtw(D, gamma=gamma)

    def forward(D):
        return loss(D), jax.grad(lambda D: soft_dtw(D, gamma=gamma))(D)

    loss.defvjp(forward, lambda kept, above: (kept + 0 * above,))
    return loss(D)


@needs_jax
def test_a_right_loss_passes(monkeypatch):
    monkeypatch.setattr(extremes, "MAX_FRAMES", 40)
    report = check(soft_dtw, "soft_dtw", framework="jax")
    assert report.passed, report


@needs_jax
@pytest.mark.parametrize(
    ("fn", "claim"),
    [
        (off_by_a_factor, "value"),
        (gradient_stopped, "gradient to D"),
        (ignores_upstream, "upstream gradient"),
    ],
)
def test_a_wrong_loss_is_convicted(fn, claim, monkeypatch):
    monkeypatch.setattr(extremes, "MAX_FRAMES", 10)
    name = f"tests.verify.test_jax:{fn.__name__}"
    report = check(fn, "soft_dtw", framework="jax", name=name)
    row = next(row for row in report.rows if row.status == "FAIL")
    assert row.claim == claim
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(row.snippet, {})
    right = row.snippet.rpartition("# right: ")[2]
    assert not np.array_equal(eval(shown.getvalue()), eval(right))


@needs_jax
def test_a_result_of_another_kind_is_told():
    report = check(lambda D, *, gamma: D, "soft_dtw", framework="jax")
    assert "expected a number" in report.rows[0].note
