"""Count the seeds at which the report card convicts a loss that is right.

python -m benchmarks.verify_seeds [FIRST END [NAME ...]]

NAME is a kind of loss, or a function of `tacref.verify.claims`; by default all are tried.

The right losses are tacref's own on the CPU and plain ones (`tests/verify/plain.py`,
`tests/verify/plain_pairs.py`) that share nothing with them. Sequences of more than 300 frames and
torch.compile are tried at every 20th seed.
"""

import sys
from collections import Counter
from functools import partial

from tacref.losses import LAVLoss, soft_dtw
from tacref.variants import VARIANTS
from tacref.verify import card, check
from tacref.verify.claims import extremes, transforms
from tacref.verify.draw import clear_drawn_problems
from tacref.verify.kinds import KINDS
from tacref.verify.own import implementations
from tests.verify import plain, plain_pairs


def right_losses(seed):
    """Yield functions and the options of `check`; of those with variants one a seed, in turn."""
    variant = list(VARIANTS)[seed % len(VARIANTS)]
    form = KINDS["tcc"].variants[seed % 2]
    for fn, options in implementations():
        turn = {"tcc": form, "barycenter": options.get("variant")}.get(options["loss"], variant)
        if options.get("variant", turn) == turn and not options["name"].endswith(" torch"):
            yield fn, options
    yield sum_of_costs, {"loss": "soft_dtw", "name": "sum of losses.soft_dtw"}
    fn = partial(mean_of_pairs, variant=variant)
    yield fn, {"loss": "lav", "variant": variant, "name": f"mean of LAVLoss {variant}"}
    yield plain.soft_dtw, {"loss": "soft_dtw", "name": "plain.soft_dtw"}
    yield plain.soft_dtw_of, {"loss": "soft_dtw", "name": "plain.soft_dtw_of"}
    for name, loss in (("contrastive_idm", "contrastive_idm"), ("lav", "lav")):
        fn = partial(getattr(plain, name), variant=variant)
        yield fn, {"loss": loss, "variant": variant, "name": f"plain.{name} {variant}"}
    for name in ("divergence", "sequence_contrastive", "barycenter"):
        yield getattr(plain_pairs, name), {"loss": name, "name": f"plain_pairs.{name}"}
    fn = partial(plain_pairs.tcc, form=form)
    yield fn, {"loss": "tcc", "variant": form, "name": f"plain_pairs.tcc {form}"}
    yield plain_pairs.path_of, {"loss": "dtw_path", "name": "plain_pairs.path_of"}


def sum_of_costs(D, *, gamma):
    """Soft-DTW, one number for a batch."""
    return soft_dtw(D, gamma).sum()


def mean_of_pairs(x, y, **options):
    """LAV, one number for a batch."""
    return LAVLoss(reduction="mean", **options)(x, y).loss


def main(first=0, end=200, *names):
    """Print each conviction, and the counts; of the named losses and claims, if there are names."""
    losses = [name for name in names if name in KINDS]
    claims = [name for name in names if name not in KINDS]
    cards, convicted = Counter(), Counter()
    if claims:
        for order in (card.CLAIMS, *card.CLAIMS_OF.values()):
            order[:] = [each for each in order if each.__name__ in claims]
    for seed in range(first, end):
        clear_drawn_problems()
        extremes.MAX_FRAMES = 900 if seed % 20 == 0 else 300
        transforms.COMPILES = seed % 20 == 0
        for fn, options in right_losses(seed):
            if losses and options["loss"] not in losses:
                continue
            report = check(fn, seed=seed, **options)
            cards[report.name] += 1
            if not report.passed:
                convicted[report.name] += 1
                print(f"seed {seed}: {report}", flush=True)
    for name, count in cards.items():
        print(f"{name}: {convicted[name]} of {count} convicted")
    seeds = f"seeds {first} to {end - 1}"
    print(f"{convicted.total()} of {cards.total()} cards convict a right loss, {seeds}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:])
