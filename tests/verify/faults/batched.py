"""Faults on batches: items mixed, reductions, lengths, padding, bands."""

import torch

from tacref.losses import contrastive_idm, soft_dtw
from tests.verify import plain
from tests.verify.faults.registry import fault, tap

ITEMS = ("items of a batch", "upstream gradient")


def of_costs(kind, *rows, **options):
    return fault(kind, "soft_dtw", *rows, **options)


@of_costs("batch mixed", *ITEMS)
def mean_for_each(D, *, gamma):
    return soft_dtw(D, gamma).mean().expand(len(D))


@of_costs("batch mixed", *ITEMS)
def rolled_values(D, *, gamma):
    return soft_dtw(D, gamma).roll(1)


@of_costs("batch mixed", *ITEMS)
def rolled_gradients(D, *, gamma):
    return soft_dtw(tap(D, lambda grad: grad.roll(1, 0)), gamma)


@of_costs("batch mixed", *ITEMS)
def first_gradient_for_all(D, *, gamma):
    return soft_dtw(tap(D, lambda grad: grad[:1].expand_as(grad)), gamma)


@of_costs("batch mixed", *ITEMS)
def a_little_of_the_batch(D, *, gamma):
    return soft_dtw(D + 1e-6 * (D.mean(0) - D), gamma)


@of_costs("batch mixed", "items of a batch")
def sixty_four_items_at_most(D, *, gamma):
    values = soft_dtw(D, gamma)
    return torch.cat((values[:64], 0 * values[64:]))


@of_costs("batch mixed", "items of a batch")
def gradients_of_64_items_at_most(D, *, gamma):
    kept = (torch.arange(len(D)) < 64)[:, None, None]
    return soft_dtw(tap(D, lambda grad: grad * kept), gamma)


@of_costs("reduction", "sum or mean")
def first_item_only(D, *, gamma):
    return soft_dtw(D[:1], gamma).sum()


@of_costs("reduction", "sum or mean")
def all_but_the_last(D, *, gamma):
    values = soft_dtw(D, gamma)
    return values[: max(1, len(D) - 1)].sum()


@of_costs("reduction", "sum or mean")
def one_item_too_few_counted(D, *, gamma):
    return soft_dtw(D, gamma).sum() / max(1, len(D) - 1)


@of_costs("reduction", "sum or mean")
def worst_item(D, *, gamma):
    return soft_dtw(D, gamma).max()


@of_costs("reduction", *ITEMS)
def sum_with_the_gradient_of_the_mean(D, *, gamma):
    return tap(soft_dtw(D, gamma).sum(), lambda grad: grad / len(D))


@of_costs("reduction", *ITEMS)
def mean_with_the_gradient_of_the_sum(D, *, gamma):
    return tap(soft_dtw(D, gamma).mean(), lambda grad: grad * len(D))


@of_costs("reduction", *ITEMS)
def sum_of_few_mean_of_many(D, *, gamma):
    values = soft_dtw(D, gamma)
    return values.sum() if len(D) < 5 else values.mean()


@of_costs("lengths", "lengths and padding: value")
def lengths_ignored(D, *, gamma, lengths_x=None, lengths_y=None):
    return soft_dtw(torch.nan_to_num(D), gamma)


@of_costs("lengths", "lengths and padding: value")
def lengths_exchanged(D, *, gamma, lengths_x=None, lengths_y=None):
    if lengths_x is not None:
        lengths_x, lengths_y = lengths_y.clamp(max=D.shape[1]), lengths_x.clamp(max=D.shape[2])
    return plain.soft_dtw(
        torch.nan_to_num(D), gamma=gamma, lengths_x=lengths_x, lengths_y=lengths_y
    )


@of_costs("lengths", "lengths and padding: value")
def one_frame_short(D, *, gamma, lengths_x=None, lengths_y=None):
    if lengths_x is not None:
        lengths_x = (lengths_x - 1).clamp(min=1)
    return soft_dtw(D, gamma, lengths_x=lengths_x, lengths_y=lengths_y)


@of_costs("lengths", "lengths and padding: gradient to D")
def gradient_in_the_padding(D, *, gamma, lengths_x=None, lengths_y=None):
    D = tap(D, lambda grad: grad + 1e-12 * (grad == 0) if lengths_x is not None else grad)
    return soft_dtw(D, gamma, lengths_x=lengths_x, lengths_y=lengths_y)


@of_costs("lengths", "lengths and padding: value")
def lengths_ignored_beyond_16_items(D, *, gamma, lengths_x=None, lengths_y=None):
    if len(D) > 16:
        D, lengths_x, lengths_y = torch.nan_to_num(D), None, None
    return soft_dtw(D, gamma, lengths_x=lengths_x, lengths_y=lengths_y)


@of_costs("lengths", "lengths and padding: value")
def lengths_ignored_in_float32(D, *, gamma, lengths_x=None, lengths_y=None):
    if D.dtype == torch.float32:
        D, lengths_x, lengths_y = torch.nan_to_num(D), None, None
    return soft_dtw(D, gamma, lengths_x=lengths_x, lengths_y=lengths_y)


@of_costs("lengths", "lengths and padding: gradient to D")
def upstream_ignored_with_lengths(D, *, gamma, lengths_x=None, lengths_y=None):
    values = soft_dtw(D, gamma, lengths_x=lengths_x, lengths_y=lengths_y)
    return values if lengths_x is None else tap(values, torch.ones_like)


@fault("lengths", "contrastive_idm", "lengths and padding: value")
def padding_as_frames(x, *, sigma, margin, lengths=None):
    return contrastive_idm(torch.nan_to_num(x), sigma=sigma, margin=margin)


@fault("lengths", "contrastive_idm", "lengths and padding: value", variant="official")
def time_by_the_longest(x, *, sigma, margin, lengths=None):
    whole = torch.full((len(x),), x.shape[1])
    options = {"sigma": sigma, "margin": margin, "variant": "official"}
    times = torch.arange(x.shape[1]).expand(x.shape[:2])
    if lengths is None:
        return contrastive_idm(x, **options)
    return contrastive_idm(x, times=times, video_lengths=whole, lengths=lengths, **options)


def _banded(D, gamma, band, lengths_x=None, lengths_y=None):
    return soft_dtw(
        D, gamma, band=band, band_shape="offset", lengths_x=lengths_x, lengths_y=lengths_y
    )


@of_costs("band", "cells of the band")
def band_ignored(D, *, gamma, band=None):
    return soft_dtw(D, gamma)


@of_costs("band", "cells of the band")
def band_wider_by_one(D, *, gamma, band=None):
    return _banded(D, gamma, None if band is None else band + 1)


@of_costs("band", "band without a path")
def band_strict(D, *, gamma, band=None):
    return _banded(D, gamma, None if band is None else max(band - 1, abs(D.shape[1] - D.shape[2])))


@of_costs("band", "cells of the band")
def band_above_the_diagonal_alone(D, *, gamma, band=None):
    if band is None:
        return soft_dtw(D, gamma)
    rows, columns = torch.arange(D.shape[1])[:, None], torch.arange(D.shape[2])
    return soft_dtw(torch.where(columns - rows > band, 1e9, D), gamma)


@of_costs("band", "band: gradient to D")
def gradient_without_band(D, *, gamma, band=None):
    free = soft_dtw(D, gamma)
    return _banded(D.detach(), gamma, band) + free - free.detach()


@of_costs("band", "band and lengths")
def band_ignored_with_lengths(D, *, gamma, band=None, lengths_x=None, lengths_y=None):
    if lengths_x is not None:
        band = None
    return _banded(D, gamma, band, lengths_x, lengths_y)


@of_costs("band", "band and lengths")
def band_3_at_most_with_lengths(D, *, gamma, band=None, lengths_x=None, lengths_y=None):
    if lengths_x is not None and band is not None:
        band = min(band, max(2, int((lengths_x - lengths_y).abs().max())))
    return _banded(D, gamma, band, lengths_x, lengths_y)


@of_costs("band", "cells of the band")
def band_of_half_the_difference(D, *, gamma, band=None):
    if band is None:
        return soft_dtw(D, gamma)
    n, m = D.shape[1:]
    rows, columns = torch.arange(n)[:, None], torch.arange(m)
    outside = (2 * (rows - columns) - (n - m)).abs() > 2 * band
    return soft_dtw(torch.where(outside, torch.inf, D), gamma)


@of_costs("band", "band: value")
def band_of_high_costs(D, *, gamma, band=None):
    if band is None:
        return soft_dtw(D, gamma)
    rows, columns = torch.arange(D.shape[1])[:, None], torch.arange(D.shape[2])
    return soft_dtw(torch.where((rows - columns).abs() > band, D + 20 * gamma, D), gamma)


def _forbidden(D, gamma, band, cost):
    """Soft-DTW with this cost outside the band, and whether the band leaves a path."""
    rows, columns = torch.arange(D.shape[1])[:, None], torch.arange(D.shape[2])
    within = (rows - columns).abs() <= band
    return soft_dtw(torch.where(within, D, cost), gamma), bool(within[-1, -1])


@of_costs("band without a path", "band without a path")
def finite_without_a_path(D, *, gamma, band=None):
    return soft_dtw(D, gamma) if band is None else _forbidden(D, gamma, band, 1e9)[0]


@of_costs("band without a path", "band without a path")
def minus_infinity_without_a_path(D, *, gamma, band=None):
    if band is None:
        return soft_dtw(D, gamma)
    values, leaves_path = _forbidden(D, gamma, band, torch.inf)
    return values if leaves_path else -values


class _Overwritten(torch.autograd.Function):
    """Returns a view of memory that the backward pass writes into, as a released library does."""

    @staticmethod
    def forward(ctx, values):
        ctx.memory = torch.stack((values, values))
        return ctx.memory[0]

    @staticmethod
    def backward(ctx, grad):
        ctx.memory.neg_()
        return grad


@of_costs("band without a path", "band without a path")
def negated_by_the_backward_pass(D, *, gamma, band=None):
    if band is None:
        return soft_dtw(D, gamma)
    values, leaves_path = _forbidden(D, gamma, band, torch.inf)
    return values if leaves_path else _Overwritten.apply(values)


@of_costs("band without a path", "band without a path")
def gradient_of_nan_without_a_path(D, *, gamma, band=None):
    if band is None:
        return soft_dtw(D, gamma)
    values, leaves_path = _forbidden(D, gamma, band, torch.inf)
    return values if leaves_path else tap(D.sum((1, 2)) + torch.inf, lambda grad: grad * torch.nan)
