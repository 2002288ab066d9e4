"""Faults of Contrastive-IDM in its variants, and of LAV."""

import torch

from tacref.losses import contrastive_idm, lav_loss
from tests.verify import plain
from tests.verify.faults.registry import fault, tap


def idm(kind, *rows, **options):
    return fault(kind, "contrastive_idm", *rows, **options)


def lav(kind, *rows, **options):
    return fault(kind, "lav", *rows, **options)


@idm("operator swapped", "value")
def near_for_far(x, *, sigma, margin):
    return plain.contrastive_idm(x, sigma=sigma, margin=margin, is_far=torch.lt)


@idm("operator swapped", "value")
def far_from_sigma_on(x, *, sigma, margin):
    return plain.contrastive_idm(x, sigma=sigma, margin=margin, is_far=torch.ge)


@idm("operator swapped", "value")
def squared_hinge(x, *, sigma, margin):
    def hinge(rest):
        return rest.clamp(min=0).square()

    return plain.contrastive_idm(x, sigma=sigma, margin=margin, hinge=hinge)


@idm("operator swapped", "value")
def unsquared_distances(x, *, sigma, margin):
    def distances(x, y):
        return (plain.squared_distances(x, y) + 1e-300).sqrt()

    return plain.contrastive_idm(x, sigma=sigma, margin=margin, distances=distances)


@idm("operator swapped", "value", variant="laser")
def squared_distances_for_laser(x, *, sigma, margin):
    return plain.contrastive_idm(x, sigma=sigma, margin=margin) / x.shape[1] ** 2


@idm("term dropped", "value")
def no_hinge(x, *, sigma, margin):
    return plain.contrastive_idm(x, sigma=sigma, margin=margin, hinge=lambda rest: rest)


@idm("term dropped", "value")
def no_near_frames(x, *, sigma, margin):
    return plain.contrastive_idm(x, sigma=sigma, margin=margin, near_weight=torch.zeros_like)


@idm("term dropped", "value")
def no_far_frames(x, *, sigma, margin):
    return plain.contrastive_idm(x, sigma=sigma, margin=margin, far_weight=torch.zeros_like)


@idm("term dropped", "value")
def each_pair_once(x, *, sigma, margin):
    return 0.5 * contrastive_idm(x, sigma=sigma, margin=margin)


@idm("term dropped", "value", variant="laser")
def not_over_n_squared(x, *, sigma, margin):
    return contrastive_idm(x, sigma=sigma, margin=margin, variant="laser") * x.shape[1] ** 2


@idm("constant", "value")
def far_weight_not_squared(x, *, sigma, margin):
    return plain.contrastive_idm(x, sigma=sigma, margin=margin, far_weight=lambda gap: gap + 1)


@idm("constant", "value")
def near_weight_1(x, *, sigma, margin):
    return plain.contrastive_idm(x, sigma=sigma, margin=margin, near_weight=torch.ones_like)


@idm("constant", "value")
def printed_for_paper(x, *, sigma, margin):
    return contrastive_idm(x, sigma=sigma, margin=margin, variant="printed")


@idm("constant", "value", variant="official")
def paper_for_official(x, *, sigma, margin):
    return contrastive_idm(x, sigma=sigma, margin=margin, variant="paper")


@idm("option fixed", "value", "option sigma")
def sigma_fixed(x, *, sigma, margin):
    return contrastive_idm(x, sigma=2.0, margin=margin)


@idm("option fixed", "value", "option sigma")
def sigma_rounded(x, *, sigma, margin):
    return contrastive_idm(x, sigma=-(-sigma // 1), margin=margin)


@idm("option fixed", "option margin")
def margin_fixed(x, *, sigma, margin):
    return contrastive_idm(x, sigma=sigma, margin=2.0)


@idm("option fixed", "option margin", variant="official")
def margin_fixed_official(x, *, sigma, margin):
    return contrastive_idm(x, sigma=sigma, margin=2.0, variant="official")


@idm("option fixed", "option margin", variant="laser")
def margin_a_whole_number(x, *, sigma, margin):
    return contrastive_idm(x, sigma=sigma, margin=max(1, int(margin)), variant="laser")


@idm("option fixed", "option margin")
def gradient_with_margin_2(x, *, sigma, margin):
    fixed = contrastive_idm(x, sigma=sigma, margin=2.0)
    return contrastive_idm(x.detach(), sigma=sigma, margin=margin) + fixed - fixed.detach()


@idm("option fixed", "options together")
def margin_fixed_with_sigma_1(x, *, sigma, margin):
    return contrastive_idm(x, sigma=sigma, margin=2.0 if sigma == 1.0 else margin)


@idm("gradient wrong", "gradient to x")
def each_pair_from_one_side(x, *, sigma, margin):
    return contrastive_idm(tap(x, lambda grad: 0.5 * grad), sigma=sigma, margin=margin)


@idm("gradient wrong", "gradient to x")
def gradient_of_far_frames_lost(x, *, sigma, margin):
    def hinge(rest):
        return rest.clamp(min=0).detach()

    return plain.contrastive_idm(x, sigma=sigma, margin=margin, hinge=hinge)


@idm("upstream ignored", "upstream gradient")
def idm_ignores_upstream(x, *, sigma, margin):
    return tap(contrastive_idm(x, sigma=sigma, margin=margin), torch.ones_like)


@idm("upstream ignored", "upstream gradient")
def upstream_at_least_0(x, *, sigma, margin):
    return tap(contrastive_idm(x, sigma=sigma, margin=margin), torch.relu)


@idm("reduction", "sum or mean")
def idm_of_the_last_item(x, *, sigma, margin):
    return contrastive_idm(x, sigma=sigma, margin=margin)[-1]


@idm("source times", "source frame times", variant="official")
def window_in_float32(x, *, sigma, margin, times=None, video_lengths=None):
    options = {"sigma": sigma, "margin": margin}
    if times is None:
        return contrastive_idm(x, variant="official", **options)
    steps = times.float() / video_lengths[:, None]
    far = (steps[:, :, None] - steps[:, None]).abs() > (sigma / video_lengths).float()[
        :, None, None
    ]
    D = plain.squared_distances(x, x)
    weights = (steps[:, :, None] - steps[:, None]).double().square() + 1
    return torch.where(far, weights * torch.relu(margin - D), D).sum((1, 2))


@idm("source times", "source frame times", variant="official")
def times_ignored(x, *, sigma, margin, times=None, video_lengths=None):
    return contrastive_idm(x, sigma=sigma, margin=margin, variant="official")


@lav("option fixed", "option margin")
def lav_margin_fixed(x, y, *, gamma, alpha, sigma, margin):
    return lav_loss(x, y, gamma=gamma, alpha=alpha, sigma=sigma, margin=2.0).loss


@lav("option fixed", "option sigma")
def lav_sigma_fixed(x, y, *, gamma, alpha, sigma, margin):
    return lav_loss(x, y, gamma=gamma, alpha=alpha, sigma=2.0, margin=margin).loss


@lav("option fixed", "option alpha")
def lav_alpha_fixed(x, y, *, gamma, alpha, sigma, margin):
    return lav_loss(x, y, gamma=gamma, alpha=0.5, sigma=sigma, margin=margin).loss


@lav("option fixed", "value")
def lav_gamma_fixed(x, y, *, gamma, alpha, sigma, margin):
    return lav_loss(x, y, gamma=0.1, alpha=alpha, sigma=sigma, margin=margin).loss


@lav("option fixed", "option margin")
def margin_fixed_in_y(x, y, *, gamma, alpha, sigma, margin):
    values = plain.soft_dtw_of(x, y, gamma=gamma)
    values = values + alpha * contrastive_idm(x, sigma=sigma, margin=margin)
    return values + alpha * contrastive_idm(y, sigma=sigma, margin=2.0)


@lav("term dropped", "value")
def y_not_regularized(x, y, *, gamma, alpha, sigma, margin):
    values = plain.soft_dtw_of(x, y, gamma=gamma)
    return values + alpha * contrastive_idm(x, sigma=sigma, margin=margin)


@lav("term dropped", "value", variant="official")
def not_over_the_frames(x, y, *, gamma, alpha, sigma, margin):
    return plain.lav(
        x, y, gamma=gamma, alpha=alpha, sigma=sigma, margin=margin, variant="official"
    ) * ((x.shape[1] + y.shape[1]) / 2)


@lav("constant", "value", "option alpha")
def alpha_squared(x, y, *, gamma, alpha, sigma, margin):
    return lav_loss(x, y, gamma=gamma, alpha=alpha**2, sigma=sigma, margin=margin).loss


@lav("gradient wrong", "gradient to y")
def lav_y_detached(x, y, *, gamma, alpha, sigma, margin):
    return lav_loss(x, y.detach(), gamma=gamma, alpha=alpha, sigma=sigma, margin=margin).loss


@lav("upstream ignored", "upstream gradient")
def regularizer_ignores_upstream(x, y, *, gamma, alpha, sigma, margin):
    own = contrastive_idm(x, sigma=sigma, margin=margin)
    own = own + contrastive_idm(y, sigma=sigma, margin=margin)
    return plain.soft_dtw_of(x, y, gamma=gamma) + tap(alpha * own, torch.ones_like)


@lav("batch mixed", "items of a batch", "upstream gradient")
def regularizer_of_the_batch(x, y, *, gamma, alpha, sigma, margin):
    own = contrastive_idm(x, sigma=sigma, margin=margin)
    own = own + contrastive_idm(y, sigma=sigma, margin=margin)
    return plain.soft_dtw_of(x, y, gamma=gamma) + alpha * own.mean()


@lav("lengths", "lengths and padding: value")
def padding_of_y_regularized(x, y, *, gamma, alpha, sigma, margin, lengths_x=None, lengths_y=None):
    options = {"gamma": gamma, "sigma": sigma, "margin": margin}
    right = lav_loss(x, y, alpha=alpha, lengths_x=lengths_x, lengths_y=lengths_y, **options).loss
    if lengths_y is None:
        return right
    padding = torch.nan_to_num(y).square().sum((1, 2)) * 0 + (lengths_y < y.shape[1])
    return right + alpha * padding


@lav("length", "long sequences: gradient to x", "long sequences: value")
def frames_in_blocks_of_64(x, y, *, gamma, alpha, sigma, margin):
    x = tap(x, lambda grad: torch.cat((grad[:, :64], 1.01 * grad[:, 64:]), 1))
    return lav_loss(x, y, gamma=gamma, alpha=alpha, sigma=sigma, margin=margin).loss
