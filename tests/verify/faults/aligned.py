"""Faults in the equations of DTW and soft-DTW, their options and their gradients."""

import numpy as np
import torch

from tacref.losses import soft_dtw
from tacref.reference import dtw
from tests.verify import plain
from tests.verify.faults.registry import fault, of_embeddings, tap


def of_costs(kind, *rows, **options):
    return fault(kind, "soft_dtw", *rows, **options)


@of_costs("operator swapped", "value")
def soft_max(D, *, gamma):
    return plain.soft_dtw(D, gamma=gamma, soft_min=lambda b, g: -plain.plain_soft_min(-b, g))


@of_costs("operator swapped", "value")
def minus_for_plus(D, *, gamma):
    return plain.soft_dtw(D, gamma=gamma, soft_min=lambda b, g: plain.plain_soft_min(b, -g))


@of_costs("operator swapped", "value")
def hard_minimum(D, *, gamma):
    return plain.soft_dtw(D, gamma=gamma, soft_min=lambda b, g: b.amin(0))


@of_costs("operator swapped", "value")
def mean_of_exponentials(D, *, gamma):
    return plain.soft_dtw(
        D, gamma=gamma, soft_min=lambda b, g: plain.plain_soft_min(b, g) + g * np.log(3)
    )


@fault("operator swapped", "soft_dtw", "value", inputs="embeddings")
def unsquared_distance(x, y, *, gamma):
    return plain.soft_dtw(plain.squared_distances(x, y).sqrt(), gamma=gamma)


@of_costs("operator swapped", "value")
def one_sequence_reversed(D, *, gamma):
    return soft_dtw(D.flip(1), gamma)


def _without(step):
    """Return a soft minimum that leaves out one of the three cells before, unless it is alone."""

    def soft_min(before, gamma):
        rest = torch.stack([before[k] for k in range(3) if k != step])
        alone = ~rest.isfinite().any(0)
        return torch.where(alone, before[step], plain.plain_soft_min(rest, gamma))

    return soft_min


@of_costs("term dropped", "value")
def no_diagonal_step(D, *, gamma):
    return plain.soft_dtw(D, gamma=gamma, soft_min=_without(0))


@of_costs("term dropped", "value")
def no_step_in_x(D, *, gamma):
    return plain.soft_dtw(D, gamma=gamma, soft_min=_without(1))


@of_costs("term dropped", "value")
def no_step_in_y(D, *, gamma):
    return plain.soft_dtw(D, gamma=gamma, soft_min=_without(2))


@of_costs("term dropped", "value")
def last_cost_left_out(D, *, gamma):
    return soft_dtw(D, gamma) - D[:, -1, -1]


@of_costs("term dropped", "value")
def first_cost_left_out(D, *, gamma):
    return soft_dtw(D, gamma) - D[:, 0, 0]


@of_costs("constant", "value")
def half_the_cost(D, *, gamma):
    return soft_dtw(0.5 * D, gamma)


@of_costs("constant", "value")
def small_offset(D, *, gamma):
    return soft_dtw(D, gamma) + 1e-9


@fault("constant", "soft_dtw", "value", inputs="embeddings")
def sixteen_features_at_most(x, y, *, gamma):
    return of_embeddings(x[..., :16], y[..., :16], gamma)


@fault("constant", "soft_dtw", "value", inputs="embeddings")
def mean_over_features(x, y, *, gamma):
    return plain.soft_dtw(plain.squared_distances(x, y) / x.shape[-1], gamma=gamma)


@of_costs("option fixed", "value", "option gamma")
def gamma_fixed(D, *, gamma):
    return soft_dtw(D, 0.1)


@of_costs("option fixed", "option gamma")
def gamma_at_most_10(D, *, gamma):
    return soft_dtw(D, min(gamma, 10.0))


@of_costs("option fixed", "small gamma: value", "scaling of costs and gamma")
def gamma_at_least_1e_3(D, *, gamma):
    return soft_dtw(D, max(gamma, 1e-3))


@of_costs("option fixed", "option gamma")
def gamma_a_whole_number(D, *, gamma):
    return soft_dtw(D, gamma if gamma < 0.4 else max(1, round(gamma)))


@of_costs("upstream ignored", "upstream gradient")
def ignores_upstream(D, *, gamma):
    return tap(soft_dtw(D, gamma), torch.ones_like)


@of_costs("upstream ignored", "upstream gradient")
def sign_of_upstream_lost(D, *, gamma):
    return tap(soft_dtw(D, gamma), torch.abs)


@of_costs("upstream ignored", "upstream gradient")
def one_upstream_for_all(D, *, gamma):
    return tap(soft_dtw(D, gamma), lambda grad: grad.mean().expand(len(grad)))


@of_costs("upstream ignored", "upstream gradient")
def first_upstream_for_all(D, *, gamma):
    return tap(soft_dtw(D, gamma), lambda grad: grad[:1].expand(len(grad)))


@of_costs("upstream ignored", "upstream gradient")
def clipped_upstream(D, *, gamma):
    return tap(soft_dtw(D, gamma), lambda grad: grad.clamp(-1, 1))


@of_costs("upstream ignored", "upstream gradient")
def squared_upstream(D, *, gamma):
    return tap(soft_dtw(D, gamma), torch.square)


@fault("upstream ignored", "soft_dtw", "upstream gradient", inputs="embeddings")
def upstream_ignored_in_y(x, y, *, gamma):
    found = []
    y = tap(y, lambda grad: grad / found[-1][:, None, None])
    return tap(of_embeddings(x, y, gamma), lambda grad: found.append(grad) or grad)


@of_costs("gradient wrong", "gradient to D")
def gradient_off_by_1e_6(D, *, gamma):
    return tap(soft_dtw(D, gamma), lambda grad: (1 + 1e-6) * grad)


@of_costs("gradient wrong", "gradient to D")
def no_gradient(D, *, gamma):
    return soft_dtw(D, gamma).detach()


@of_costs("gradient wrong", "gradient to D")
def gradient_of_a_hard_path(D, *, gamma):
    soft = soft_dtw(D.detach(), gamma)
    hard = plain.soft_dtw(D, gamma=gamma, soft_min=lambda b, g: b.amin(0))
    return soft + hard - hard.detach()


@of_costs("gradient wrong", "gradient to D")
def corner_without_gradient(D, *, gamma):
    corner = torch.zeros_like(D)
    corner[:, -1, -1] = 1.0
    return soft_dtw(tap(D, lambda grad: grad * (1 - corner)), gamma)


@of_costs("gradient wrong", "gradient to D")
def transposed_gradient(D, *, gamma):
    return soft_dtw(tap(D, lambda g: g.mT if g.shape[1] == g.shape[2] else g), gamma)


@of_costs("gradient wrong", "gradient to D")
def gradient_in_float32(D, *, gamma):
    return soft_dtw(tap(D, lambda grad: grad.float().to(grad.dtype)), gamma)


@fault("gradient wrong", "soft_dtw", "gradient to y", inputs="embeddings")
def sign_of_y(x, y, *, gamma):
    return of_embeddings(x, tap(y, torch.neg), gamma)


@fault("gradient wrong", "soft_dtw", "gradient to y", inputs="embeddings")
def y_without_gradient(x, y, *, gamma):
    return of_embeddings(x, y.detach(), gamma)


@fault("gradient wrong", "soft_dtw", "required gradients", inputs="embeddings")
def y_alone_without_gradient(x, y, *, gamma):
    return of_embeddings(x, tap(y, lambda g: g if x.requires_grad else 0 * g), gamma)


@of_costs("gradient wrong", "required gradients")
def another_value_without_gradients(D, *, gamma):
    return soft_dtw(D, gamma if D.requires_grad else 2 * gamma)


def _dtw(D):
    values = [dtw(each) for each in D.double().numpy(force=True)]
    return torch.tensor(values, dtype=torch.float64)


@fault("term dropped", "dtw", "value")
def dtw_over_its_length(D):
    return _dtw(D) / (D.shape[1] + D.shape[2])


@fault("constant", "dtw", "large cost: value", "scaling of costs and gamma")
def dtw_of_costs_up_to_100(D):
    return _dtw(D.clamp(max=100.0))


@fault("batch mixed", "dtw", "items of a batch", "sum or mean")
def dtw_of_the_first_item(D):
    return _dtw(D)[:1].expand(len(D))
