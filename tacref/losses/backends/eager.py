"""The losses in plain tensor operations: any device, derivatives of any order by autograd."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tacref.losses.costs import cost_matrix, exact, gradients_of_embeddings, slopes_along
from tacref.losses.lengths import valid_rows
from tacref.losses.torch_operator import of_size, traced
from tacref.variants import VARIANTS, Variant

MAX_WINDOW = torch.iinfo(torch.int64).max
# Autograd multiplies gradients by gamma, and divides them by it again: below, digits are lost.
_MIN_GAMMA = 1e-300


def refusal(device: torch.device) -> str | None:
    """Say why this backend cannot compute on a device: it can on any."""
    return None


def check_smallest_gamma(gamma: float) -> None:
    """Refuse a gamma that is too small for autograd.

    Raises
    ------
    ValueError
        If it is.
    """
    if gamma < _MIN_GAMMA:
        raise ValueError(
            f"gamma must be at least {_MIN_GAMMA:g} for backend 'torch', got {gamma!r}"
        )


def exact_rows(x: Tensor, lengths: Tensor) -> Tensor:
    """Return embeddings `(B, n, d)` as `exact` does, with zeros in place of what is not valid."""
    return torch.where(valid_rows(lengths, x.shape[1])[..., None], exact(of_one_size(x)), 0.0)


def of_one_size(tensor: Tensor) -> Tensor:
    """Return the tensor; a trace, whose loops are for its size, refuses others when it is run."""
    return of_size(tensor, [int(side) for side in tensor.shape]) if traced() else tensor


def soft_dtw_of_embeddings(
    x: Tensor, y: Tensor, gamma: float, lengths_x: Tensor, lengths_y: Tensor, band: int
) -> Tensor:
    """Soft-DTW `(B,)` of embeddings, of which `lengths_x`, `lengths_y` `(B,)` are valid."""
    D = cost_matrix(exact_rows(x, lengths_x), exact_rows(y, lengths_y))
    return soft_dtw(D, gamma, lengths_x, lengths_y, band)


def soft_dtw(D: Tensor, gamma: float, lengths_x: Tensor, lengths_y: Tensor, band: int) -> Tensor:
    """Soft-DTW `(B,)` of costs `(B, n, m)`, of which `lengths_x`, `lengths_y` `(B,)` are valid.

    A cost of +inf forbids a cell, and so does a band (-1: none).
    """
    D = of_one_size(D)
    if D.shape[1] > D.shape[2]:  # each anti-diagonal is computed for all rows
        D, lengths_x, lengths_y = D.mT, lengths_y, lengths_x
    return _sweep(D, gamma, lengths_x, lengths_y, band)[0]


def expected_alignment(
    D: Tensor, gamma: float, lengths_x: Tensor, lengths_y: Tensor, band: int
) -> Tensor:
    """Return E, the gradient of `soft_dtw`, as a flow from the last cell to the first."""
    D = of_one_size(D)
    if D.shape[1] > D.shape[2]:
        return expected_alignment(D.mT, gamma, lengths_y, lengths_x, band).mT.contiguous()
    B, n, m = D.shape
    values, logits = _sweep(D, gamma, lengths_x, lengths_y, band)
    # In cells that no path reaches they say nothing, and no mass comes there.
    weights = [each.softmax(0) for each in logits]
    # No path, no mass; NaN stays.
    unit = torch.where(values == torch.inf, 0.0, torch.where(values.isnan(), torch.nan, 1.0))
    # Mass on the anti-diagonals k + 2 and k + 1, one column a row i.
    nothing = D.new_zeros((B, n), dtype=values.dtype)
    masses = [nothing, nothing]
    row = torch.arange(n, device=D.device)
    for k in range(n + m - 2, -1, -1):
        # eq. 4: a cell collects from its three successors
        from_diagonal = _passed(masses[-2], weights, k + 2, 0)
        from_below = _passed(masses[-1], weights, k + 1, 1)
        from_right = _passed(masses[-1], weights, k + 1, 2)
        last = (row == lengths_x[:, None] - 1) & (k - row == lengths_y[:, None] - 1)
        entering = torch.where(last, unit[:, None], 0.0)
        collected = functional.pad(from_diagonal + from_below, (0, 1))[:, 1:] + from_right
        masses.append(entering + collected)
    table = torch.stack(masses[:1:-1], 1)  # (B, n + m - 1, n)
    i, j = row[:, None], torch.arange(m, device=D.device)
    return table[:, i + j, i]


def _passed(mass: Tensor, weights: list[Tensor], k: int, predecessor: int) -> Tensor:
    """Return what anti-diagonal k passes to a predecessor, one column a row `(B, n)`."""
    return mass * weights[k][predecessor] if k < len(weights) else mass


def _sweep(
    D: Tensor, gamma: float, lengths_x: Tensor, lengths_y: Tensor, band: int
) -> tuple[Tensor, list[Tensor]]:
    """Return values, and logits of softmin weights `(3, B, n)` of each anti-diagonal."""
    check_smallest_gamma(gamma)
    B, n, m = D.shape
    inside = valid_rows(lengths_x, n)[:, :, None] & valid_rows(lengths_y, m)[:, None]
    D = torch.where(inside, exact(D), 0.0)
    if band >= 0:
        steps = torch.arange(n, device=D.device)[:, None] - torch.arange(m, device=D.device)
        D = torch.where(steps.abs() > band, torch.inf, D)
    # Anti-diagonals, one column a row i, +inf where a row has no cell: D[:, i, k - i]. All at once:
    # `diagonal` of each would take a gradient of the whole matrix for each.
    skewed = functional.pad(D, (0, n), value=torch.inf).flatten(1)[:, :-n]
    costs = skewed.unflatten(1, (n, n + m - 1)).unbind(2)
    # R on an anti-diagonal, with what rounding cut off from it: a difference of two costs, over
    # gamma, would show it.
    start = _Sums(costs[0], torch.zeros_like(costs[0]))
    above_before = _Sums(torch.full_like(costs[0], torch.inf), start.low)
    diagonals, logits = [start], [torch.zeros_like(costs[0]).expand(3, -1, -1)]
    for k in range(1, n + m - 1):
        left = diagonals[-1]
        above = _row_down(left)
        R, exponents = _soft_sum(above_before, above, left, costs=costs[k], gamma=gamma)
        above_before = above
        diagonals.append(R)
        logits.append(exponents)
    # An item's value stands in its last valid cell; what lies beyond does not flow into it.
    item = torch.arange(B, device=D.device)
    highs, lows = (torch.stack(each, 1) for each in zip(*diagonals, strict=True))
    values = (highs + lows)[item, lengths_x + lengths_y - 2, lengths_x - 1]
    # no path, no gradient
    return torch.where(values == torch.inf, values.detach(), values), logits


class _Sums(NamedTuple):
    """Accumulated costs, and what rounding cut off from them, which has no derivative."""

    high: Tensor
    low: Tensor


def _row_down(R: _Sums) -> _Sums:
    """Return the sums `(B, n)` of row i - 1 in row i: +inf in the first."""
    return _Sums(
        functional.pad(R.high[:, :-1], (1, 0), value=torch.inf),
        functional.pad(R.low[:, :-1], (1, 0), value=0.0),
    )


def _soft_sum(*predecessors: _Sums, costs: Tensor, gamma: float) -> tuple[_Sums, Tensor]:
    """Return costs `(B, n)` plus the softmin of three predecessors, and its logits `(3, B, n)`."""
    highs, lows = (torch.stack(each) for each in zip(*predecessors, strict=True))
    # The least one is subtracted first; that it is a constant changes no derivative.
    constant = highs.detach()
    least = constant.amin(0)
    least_low = torch.where(constant == least, lows, torch.inf).amin(0)
    free = least != torch.inf  # or NaN
    least = torch.where(free, least, 0.0)
    excess = (least - highs) + (least_low - lows)
    logits = torch.where(free, excess, 0.0) / gamma
    soft = -gamma * torch.logsumexp(logits, dim=0)
    # eq. 2 with eq. 3 in place of min
    here = costs + least
    there = torch.where(free, here + soft, torch.inf)
    low = least_low + _cut_off(costs, least, here, soft, there)
    return _Sums(there, torch.where(there.detach() < torch.inf, low, 0.0)), logits


def _cut_off(costs: Tensor, least: Tensor, here: Tensor, soft: Tensor, there: Tensor) -> Tensor:
    """Return what rounding cut off from here = costs + least and there = here + soft (Knuth).

    It has no derivative.
    """
    costs, here, soft, there = (each.detach() for each in (costs, here, soft, there))
    first, second = here - costs, there - here
    of_here = (costs - (here - first)) + (least - first)
    return of_here + (here - (there - second)) + (soft - second)


def contrastive_idm(
    x: Tensor,
    lengths: Tensor,
    times: Tensor,
    video_lengths: Tensor,
    sigma: float,
    margin: float,
    variant: str,
) -> Tensor:
    """Contrastive-IDM `(B,)` of embeddings `(B, n, d)`, of which `lengths` `(B,)` are valid.

    `times` `(B, n)` and `video_lengths` `(B,)` are frame numbers and frames of the source videos.
    """
    x = exact_rows(x, lengths)
    form = VARIANTS[variant]
    D = _distances(x, form)  # (B, n, n)
    far, far_weights, near_weights = _pairs(D, lengths, times, video_lengths, sigma, form)
    # relu and not clamp: its derivative at the kink is 0.
    terms = torch.where(far, far_weights * functional.relu(margin - D), near_weights * D)
    return torch.where(_inside(lengths, x.shape[1]), terms, 0.0).sum((1, 2))


def contrastive_idm_hvp(
    x: Tensor,
    u: Tensor,
    lengths: Tensor,
    times: Tensor,
    video_lengths: Tensor,
    sigma: float,
    margin: float,
    variant: str,
) -> Tensor:
    """Hessian of each value of `contrastive_idm` times the direction u `(B, n, d)`."""
    x, u = exact_rows(x, lengths), exact_rows(u, lengths)
    form = VARIANTS[variant]
    D = _distances(x, form)
    far, far_weights, near_weights = _pairs(D, lengths, times, video_lengths, sigma, form)
    # eq. 7, differentiated: 0 at the kink
    slopes = torch.where(far, torch.where(margin > D, -far_weights, 0.0), near_weights)
    slopes = torch.where(_inside(lengths, x.shape[1]), slopes, 0.0)
    curvatures = torch.zeros_like(D)
    if form.of_roots:
        # Of sqrt(D): slope 1 / (2 sqrt(D)), and its own slope -1 / (4 D^(3/2)); 0 where D = 0.
        root = torch.where(D == 0, 1.0, D)
        slopes = torch.where(D == 0, 0.0, slopes / (2 * root))
        curvatures = -slopes / (2 * root.square()) * slopes_along(x, x, u, u)
    # d of 2 sum_j S_ij (x_i - x_j), by the product rule; (i, j) and (j, i) both count
    of_slopes = gradients_of_embeddings(curvatures, x, x)
    of_rows = gradients_of_embeddings(slopes, u, u)
    return of_slopes[0] + of_slopes[1] + of_rows[0] + of_rows[1]


def _distances(x: Tensor, variant: Variant) -> Tensor:
    """Return what equation 7 takes as distances `(B, n, n)`: squared ones, or their roots."""
    D = cost_matrix(x, x)
    if not variant.of_roots:
        return D
    # d sqrt(D) / dD is taken as 0 where D = 0.
    return torch.where(D == 0, 0.0, torch.where(D == 0, 1.0, D).sqrt())


def _pairs(
    D: Tensor, lengths: Tensor, times: Tensor, video_lengths: Tensor, sigma: float, variant: Variant
) -> tuple[Tensor, Tensor, Tensor]:
    """Return which pairs are far, and the weights of far and of near ones, all `(B, n, n)`."""
    if not variant.in_source_frames:
        times = torch.arange(D.shape[1], device=D.device).expand(times.shape)
    gaps = times[:, :, None] - times[:, None]
    # On whole frames: a window in floating point misjudges pairs exactly sigma apart.
    far = gaps.abs() > min(math.floor(sigma), MAX_WINDOW)
    scaled = gaps.to(D.dtype)
    if variant.in_source_frames:
        scaled = scaled / video_lengths[:, None, None]
    rising = scaled.square() + 1
    falling = rising.reciprocal()
    far_weights = rising if variant.far_weight_rises else falling
    near_weights = falling if variant.near_weight_falls else torch.ones_like(rising)
    if variant.mean_over_pairs:
        pairs = lengths.square()[:, None, None]
        return far, far_weights / pairs, near_weights / pairs
    return far, far_weights, near_weights


def _inside(lengths: Tensor, n: int) -> Tensor:
    """Return which pairs of n frames are valid, bool `(B, n, n)`."""
    valid = valid_rows(lengths, n)
    return valid[:, :, None] & valid[:, None]
