"""Faults of the soft-DTW divergence, of cycle-consistency and of the sequence contrastive loss."""

import torch

from tacref.losses import sequence_contrastive_loss, soft_dtw_divergence, tcc_loss
from tests.verify import plain, plain_pairs
from tests.verify.faults.registry import fault, tap


def divergence(kind, *rows, **options):
    return fault(kind, "divergence", *rows, **options)


def tcc(kind, *rows, **options):
    return fault(kind, "tcc", *rows, **options)


def contrast(kind, *rows, **options):
    return fault(kind, "sequence_contrastive", *rows, **options)


@divergence("term dropped", "value")
def without_the_second_with_itself(x, y, *, gamma):
    return plain.soft_dtw_of(x, y, gamma=gamma) - 0.5 * plain.soft_dtw_of(x, x, gamma=gamma)


@divergence("constant", "value")
def not_halved(x, y, *, gamma):
    return plain_pairs.divergence(x, y, gamma=gamma, share=1.0)


@divergence("operator swapped", "value")
def with_itself_as_an_absolute_value(x, y, *, gamma):
    def own(*arguments, **options):
        return plain.soft_dtw_of(*arguments, **options).abs()

    return plain_pairs.divergence(x, y, gamma=gamma, own=own)


@divergence("gradient wrong", "gradient to x")
def with_itself_from_one_side(x, y, *, gamma):
    def own(x, y, **options):
        return plain.soft_dtw_of(x, y.detach(), **options)

    return plain_pairs.divergence(x, y, gamma=gamma, own=own)


@divergence("gradient wrong", "gradient to x")
def with_itself_detached(x, y, *, gamma):
    def own(x, y, **options):
        return plain.soft_dtw_of(x.detach(), y.detach(), **options)

    return plain_pairs.divergence(x, y, gamma=gamma, own=own)


@divergence("option fixed", "value")
def own_gamma_fixed(x, y, *, gamma):
    def own(x, y, *, gamma, **options):
        return plain.soft_dtw_of(x, y, gamma=0.1, **options)

    return plain_pairs.divergence(x, y, gamma=gamma, own=own)


@divergence("band", "cells of the band")
def band_of_the_first_term_only(x, y, *, gamma, band=None):
    first = plain.soft_dtw_of(x, y, gamma=gamma, band=band)
    free = plain.soft_dtw_of(x, y, gamma=gamma)
    return first + soft_dtw_divergence(x, y, gamma=gamma) - free


@divergence("lengths", "lengths and padding: value")
def lengths_of_y_for_both(x, y, *, gamma, lengths_x=None, lengths_y=None):
    if lengths_x is None:
        return soft_dtw_divergence(x, y, gamma=gamma)
    lengths_x = torch.minimum(lengths_x, lengths_x.flip(0))
    return soft_dtw_divergence(x, y, gamma=gamma, lengths_x=lengths_x, lengths_y=lengths_y)


@divergence("reduction", "sum or mean")
def root_mean_square(x, y, *, gamma):
    values = soft_dtw_divergence(x, y, gamma=gamma)
    return values.square().mean().sqrt() if len(values) > 1 else values


@tcc("term dropped", "value")
def one_way_only(x, y, *, temperature):
    return plain_pairs.tcc(x, y, temperature=temperature, both=False)


@tcc("term dropped", "value")
def no_logarithm_of_the_variance(x, y, *, temperature):
    return plain_pairs.tcc(x, y, temperature=temperature, weight=0.0)


@tcc("constant", "value")
def floor_of_the_variance_1e_5(x, y, *, temperature):
    return plain_pairs.tcc(x, y, temperature=temperature, floor=1e-5)


@tcc("constant", "value")
def positions_up_to_1(x, y, *, temperature):
    return plain_pairs.tcc(x, y, temperature=temperature, positions=max(1, x.shape[1] - 1))


@tcc("constant", "value")
def temperature_times_d(x, y, *, temperature):
    return tcc_loss(x, y, temperature=temperature * x.shape[2])


@tcc("operator swapped", "value", variant="regression_mse")
def form_with_the_variance(x, y, *, temperature):
    return tcc_loss(x, y, temperature=temperature)


@tcc("option fixed", "value", "option temperature")
def temperature_of_1(x, y, *, temperature):
    return tcc_loss(x, y, temperature=1.0)


@tcc("gradient wrong", "gradient to x", "gradient to y")
def neighbors_detached(x, y, *, temperature):
    value = plain_pairs.tcc(x, y, temperature=temperature)
    return value.detach() + 0.5 * (value - value.detach())


@tcc("upstream ignored", "upstream gradient", variant="regression_mse")
def tcc_ignores_upstream(x, y, *, temperature):
    return tap(tcc_loss(x, y, temperature=temperature, form="regression_mse"), torch.ones_like)


@tcc("lengths", "lengths and padding: value")
def positions_in_the_padded_video(x, y, *, temperature, lengths_x=None, lengths_y=None):
    # Right without padding.
    lengths = {"lengths_x": lengths_x, "lengths_y": lengths_y}
    if lengths_x is None:
        return tcc_loss(x, y, temperature=temperature)
    return plain_pairs.tcc(x, y, temperature=temperature, positions=x.shape[1], **lengths)


@tcc("precision", "large cost: value")
def exponentials_not_shifted(x, y, *, temperature):
    def softmax(x, y):
        weights = torch.exp(-plain.squared_distances(x, y) / temperature)
        return weights / weights.sum(2, keepdim=True)

    def one_way(x, y):
        t = torch.arange(x.shape[1], dtype=x.dtype) / x.shape[1]
        beta = softmax(softmax(x, y) @ y, x)
        mean = beta @ t
        s = (beta * (t - mean[:, :, None]).square()).sum(2) + 1e-6
        return ((t - mean).square() / s + 0.001 * s.log()).mean(1)

    return 0.5 * (one_way(x, y) + one_way(y, x))


@contrast("term dropped", "value")
def from_x_to_y_only(x, y, *, sigma, temperature):
    return plain_pairs.sequence_contrastive(x, y, sigma=sigma, temperature=temperature, both=False)


@contrast("constant", "value")
def probabilities_plus_1e_6(x, y, *, sigma, temperature):
    return plain_pairs.sequence_contrastive(x, y, sigma=sigma, temperature=temperature, floor=1e-6)


@contrast("operator swapped", "value")
def gaps_not_squared(x, y, *, sigma, temperature):
    return plain_pairs.sequence_contrastive(
        x, y, sigma=sigma, temperature=temperature, gap_of=torch.abs
    )


@contrast("option fixed", "option sigma")
def sigma_of_2(x, y, *, sigma, temperature):
    return sequence_contrastive_loss(x, y, sigma=2.0, temperature=temperature)


@contrast("gradient wrong", "gradient to y")
def second_view_detached(x, y, *, sigma, temperature):
    return sequence_contrastive_loss(x, y.detach(), sigma=sigma, temperature=temperature)


@contrast("batch mixed", "upstream gradient", "items of a batch")
def similarities_over_the_batch(x, y, *, sigma, temperature):
    shift = (x[:1] * 0 + 1e-3 * (len(x) > 1) * x.mean(0, keepdim=True)).sum() * 1e-3
    return sequence_contrastive_loss(x, y, sigma=sigma, temperature=temperature) + shift


@contrast("second order", "second order")
def weights_treated_as_constant(x, y, *, sigma, temperature):
    class Frozen(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            with torch.enable_grad():
                leaves = x.detach().requires_grad_(), y.detach().requires_grad_()
                value = sequence_contrastive_loss(*leaves, sigma=sigma, temperature=temperature)
                ctx.gradients = torch.autograd.grad(value.sum(), leaves)
            return value.detach()

        @staticmethod
        def backward(ctx, above):
            return tuple(above[:, None, None] * each for each in ctx.gradients)

    return Frozen.apply(x, y)
