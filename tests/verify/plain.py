"""The losses in plain torch, a line an equation, sharing nothing with tacref: right ones to check.

Each takes knobs, all right by default, by which the faults in this folder make it wrong.
"""

import torch


def soft_dtw(D, *, gamma, lengths_x=None, lengths_y=None, band=None, soft_min=None):
    """Equation 4 along the anti-diagonals; autograd takes the gradient."""
    B, n, m = D.shape
    ends_x = torch.full((B,), n) if lengths_x is None else lengths_x
    ends_y = torch.full((B,), m) if lengths_y is None else lengths_y
    soft_min = soft_min or plain_soft_min
    inside_x, inside_y = torch.arange(n) < ends_x[:, None], torch.arange(m) < ends_y[:, None]
    D = torch.where(inside_x[:, :, None] & inside_y[:, None], D, 0.0)
    # Row i of diagonal k is D[:, i, k - i]; taken out at once, for the sake of the backward pass.
    columns = torch.arange(n + m - 1)[:, None] - torch.arange(n)
    diagonals = D[:, torch.arange(n), columns.clamp(0, m - 1)].unbind(1)
    last = {}

    def infinite(count):
        return torch.full((B, count), torch.inf, dtype=D.dtype)

    two_before = torch.cat((torch.zeros(B, 1, dtype=D.dtype), infinite(n)), 1)
    one_before = infinite(n + 1)
    for k in range(n + m - 1):
        first, end = max(0, k - m + 1), min(n, k + 1)
        rows = torch.arange(first, end)
        # R[:, i + 1] of a diagonal belongs to row i.
        before = (
            two_before[:, first:end],
            one_before[:, first:end],
            one_before[:, first + 1 : end + 1],
        )
        new = diagonals[k][:, first:end] + soft_min(torch.stack(before), gamma)
        if band is not None:
            new = torch.where((2 * rows - k).abs() <= band, new, torch.inf)
        last[k] = torch.cat((infinite(first + 1), new, infinite(n - end)), 1)
        two_before, one_before = one_before, last[k]
    return torch.stack([last[int(ends_x[b] + ends_y[b]) - 2][b, ends_x[b]] for b in range(B)])


def plain_soft_min(before, gamma):
    """Equation 3; a border at infinity has no share, and cells without any stay infinite."""
    reached = before.isfinite().any(0)
    safe = torch.where(reached, before, 0.0)
    return torch.where(reached, -gamma * torch.logsumexp(-safe / gamma, 0), torch.inf)


def within(x, lengths):
    """Put 0 in the padding."""
    if lengths is None:
        return x
    return torch.where((torch.arange(x.shape[1]) < lengths[:, None])[:, :, None], x, 0.0)


def squared_distances(x, y):
    return (x[:, :, None] - y[:, None]).square().sum(-1)


def soft_dtw_of(x, y, *, gamma, lengths_x=None, lengths_y=None, band=None, cost=None, **knobs):
    """Soft-DTW of embeddings."""
    D = (cost or squared_distances)(within(x, lengths_x), within(y, lengths_y))
    options = {"lengths_x": lengths_x, "lengths_y": lengths_y, "band": band} | knobs
    return soft_dtw(D, gamma=gamma, **options)


def contrastive_idm(
    x,
    *,
    sigma,
    margin,
    lengths=None,
    variant="paper",
    far_weight=None,
    near_weight=None,
    is_far=None,
    hinge=None,
    distances=None,
):
    """Equation 7 in its variants."""
    B, n, _ = x.shape
    ends = torch.full((B,), n) if lengths is None else lengths
    inside = torch.arange(n) < ends[:, None]
    x = torch.where(inside[:, :, None], x, 0.0)
    times = torch.arange(n, dtype=x.dtype)
    gap = (times[:, None] - times).abs()
    D = (distances or squared_distances)(x, x)
    far = gap > sigma if is_far is None else is_far(gap, sigma)
    grown = (far_weight or (lambda gap: gap**2 + 1))(gap)
    near = (near_weight or (lambda gap: 1 / (gap**2 + 1)))(gap)
    if variant == "official":
        grown = (gap / ends[:, None, None]) ** 2 + 1
        near = torch.ones_like(gap)
    if variant == "printed":
        grown = near
    if variant == "laser":
        zero = D == 0
        D = torch.where(zero, 0.0, torch.where(zero, 1.0, D).sqrt())
    apart = (hinge or (lambda rest: rest.clamp(min=0)))(margin - D)
    terms = torch.where(far, grown * apart, near * D)
    pairs = inside[:, :, None] & inside[:, None]
    total = torch.where(pairs, terms, 0.0).sum((1, 2))
    return total / ends**2 if variant == "laser" else total


def lav(
    x,
    y,
    *,
    gamma,
    alpha,
    sigma,
    margin,
    lengths_x=None,
    lengths_y=None,
    variant="paper",
    **knobs,
):
    """Equation 8."""
    options = {"sigma": sigma, "margin": margin, "variant": variant} | knobs
    aligned = soft_dtw_of(x, y, gamma=gamma, lengths_x=lengths_x, lengths_y=lengths_y)
    own = contrastive_idm(x, lengths=lengths_x, **options)
    own = own + contrastive_idm(y, lengths=lengths_y, **options)
    total = aligned + alpha * own
    if variant == "official":
        ends_x = x.shape[1] if lengths_x is None else lengths_x
        ends_y = y.shape[1] if lengths_y is None else lengths_y
        total = total * 2 / (ends_x + ends_y)
    return total
