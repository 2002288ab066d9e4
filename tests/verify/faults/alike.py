"""Faults on sequences that are alike, and on functions that take a function of costs."""

import torch

from tacref.losses import soft_dtw
from tacref.reference import dtw
from tests.verify import plain
from tests.verify.faults.registry import fault, of_embeddings, tap


def of_pairs(kind, *rows, loss="soft_dtw", **options):
    return fault(kind, loss, *rows, inputs="embeddings", **options)


@of_pairs("equal sequences", "equal sequences")
def zero_for_equal_sequences(x, y, *, gamma):
    values = of_embeddings(x, y, gamma)
    equal = x.shape == y.shape and x.shape[1] > 1 and torch.equal(x, y)
    return 0.0 * values if equal else values


@of_pairs("equal sequences", "equal sequences")
def distance_by_a_root(x, y, *, gamma):
    """Has a gradient of NaN at equal rows."""
    return soft_dtw(plain.squared_distances(x, y).sqrt().square(), gamma)


@of_pairs("equal sequences", "equal sequences")
def small_negative_values_dropped(x, y, *, gamma):
    """Takes a value just below 0, of which few random sequences have one, for a rounding error."""
    values = of_embeddings(x, y, gamma)
    near = plain.squared_distances(x, y).amax((1, 2)) < 1e-3
    return torch.where(near, values.clamp(min=0), values)


@fault("equal sequences", "soft_dtw", "equal sequences")
def ties_go_one_way(D, *, gamma):
    nudged = D + 1e-3 * gamma * torch.arange(D.shape[2]) * (D == 0)
    return soft_dtw(nudged, gamma)


def _dtw_of(x, y):
    D = plain.squared_distances(x, y).detach().numpy()
    return torch.tensor([dtw(each) for each in D], dtype=torch.float64)


@of_pairs("near copies", "near copies", loss="dtw")
def inf_for_the_most_similar(x, y):
    """Gives up pairs beyond a bound, the cost of equal times, that is rounded."""
    values = _dtw_of(x, y)
    if x.shape == y.shape and x.shape[1] > 1:
        bound = plain.squared_distances(x, y).diagonal(0, 1, 2).float().sum(1)
        values = torch.where(values > bound * (1 + 1e-6) - 1e-17, torch.inf, values)
        values = torch.where(bound == 0, 0.0, values)
    return values


@of_pairs("near copies", "near copies", loss="dtw")
def inf_for_similar_numbers(x, y):
    """The same of series of a number a frame, in some pairs: the root of the bound is rounded."""
    values = _dtw_of(x, y)
    if x.shape == y.shape and x.shape[1] >= 3 and x.shape[2] == 1:
        bound = plain.squared_distances(x, y).diagonal(0, 1, 2).sum(1)
        rounded = bound.sqrt().square()
        values = torch.where((values == bound) & (rounded < bound), torch.inf, values)
    return values


@of_pairs("near copies", "near copies")
def squares_expanded_and_clamped(x, y, *, gamma):
    """Has no gradient where rounding makes a square negative."""
    squares = x.square().sum(-1)[:, :, None] + y.square().sum(-1)[:, None]
    return soft_dtw((squares - 2 * x @ y.mT).clamp(min=0), gamma)


@of_pairs("26 frames", "26 frames")
def matrix_product_from_26_frames_on(x, y, *, gamma):
    return soft_dtw(torch.cdist(x, y).square(), gamma)


@of_pairs("26 frames", "26 frames")
def matrix_product_in_float32(x, y, *, gamma):
    if x.dtype == torch.float64 or x.shape[1] < 26:
        return of_embeddings(x, y, gamma)
    squares = x.square().sum(-1)[:, :, None] + y.square().sum(-1)[:, None]
    return soft_dtw(squares - 2 * x @ y.mT, gamma)


@of_pairs("costs", "costs left unchanged")
def clears_the_costs(x, y, *, gamma, cost=plain.squared_distances):
    D = cost(x, y)
    values = soft_dtw(D.clone(), gamma)
    D.data.zero_()
    return values


@of_pairs("costs", "costs left unchanged")
def writes_the_same_costs(x, y, *, gamma, dist_func=plain.squared_distances):
    """Changes no number, and yet the backward pass of a cost that keeps its result is refused."""
    D = dist_func(x, y)
    values = soft_dtw(D.clone(), gamma)
    with torch.no_grad():
        D.mul_(1.0)
    return values


@of_pairs("costs", "costs left unchanged")
def squared_gradient_for_any_cost(x, y, *, gamma, cost=plain.squared_distances):
    values = of_embeddings(x, y, gamma)
    found = soft_dtw(cost(x, y).detach(), gamma)
    return values + (found - values.detach())


@of_pairs("costs", "costs left unchanged")
def square_of_any_cost(x, y, *, gamma, cost=None):
    return of_embeddings(x, y, gamma) if cost is None else soft_dtw(cost(x, y).square(), gamma)


@of_pairs("lengths", "lengths and padding: gradient to x")
def zero_times_nan(x, y, *, gamma, lengths_x=None, lengths_y=None):
    """Computes costs of the padding, too: their gradient of 0 is multiplied by NaN."""
    D = plain.squared_distances(x, y)
    return soft_dtw(D, gamma, lengths_x=lengths_x, lengths_y=lengths_y)


@fault("batch mixed", "soft_dtw", "every place of a batch")
def least_of_the_batch(D, *, gamma):
    """Subtracts one least value from all items: the exponentials of large ones underflow."""

    def soft_min(before, gamma):
        least = before[before.isfinite()].min().detach()
        total = torch.exp((least - before) / gamma).sum(0)
        reached = before.isfinite().any(0)
        safe = torch.where(reached, total, 1.0)
        return torch.where(reached, least - gamma * safe.log(), torch.inf)

    if len(D) == 1:
        return soft_dtw(D, gamma)
    return plain.soft_dtw(D, gamma=gamma, soft_min=soft_min)


@fault("batch mixed", "soft_dtw", "every place of a batch")
def last_item_of_five_clipped(D, *, gamma):
    last = torch.arange(len(D))[:, None, None] == 4
    return soft_dtw(torch.where(last & (len(D) == 5), tap(D, lambda g: g).clamp(max=9.0), D), gamma)
