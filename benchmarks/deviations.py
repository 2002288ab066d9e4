"""Planted faults of the built-in activity: how many are found, and where nothing was planted.

    python -m benchmarks.deviations                       # embeddings that tell progress, drawn
    python -m benchmarks.deviations --encoder RUN_OR_ONNX # rendered clips through an encoder
    python -m benchmarks.deviations --scores              # next to scores that are not used

Each set has a reference, some ordinary clips, and one in which a step is missing, shown twice, or
swapped with the next one. A fault counts as found if a deviation of that clip touches the step in
the reference; deviations of ordinary clips are false.
"""

import argparse
import json
from collections.abc import Callable, Sequence

import numpy as np

from tacref.alignment import Alignment, align
from tacref.alignment.deviations import DEFAULT_THRESHOLD, deviation_scores, find_deviations
from tacref.data.scene import PHASES, Scene, pose
from tacref.data.synthetic import draw_timeline

FAULTS = ("missing", "twice", "swapped")
DIMENSION = 32
PHASES_ALIKE = 0.7  # moments this many phases apart are embedded far from each other

Moments = list[tuple[int, float]]  # phase, and progress in it
Embed = Callable[[Moments, np.random.Generator], np.ndarray]


def faulty_order(fault: str, phase: int) -> list[int]:
    """Return the order of the phases of a clip with a fault."""
    order = list(range(len(PHASES)))
    return {
        "none": order,
        "missing": order[:phase] + order[phase + 1 :],
        "twice": order[: phase + 1] + order[phase:],
        "swapped": [*order[:phase], phase + 1, phase, *order[phase + 2 :]],
    }[fault]


def draw_moments(order: Sequence[int], rng: np.random.Generator) -> Moments:
    """Draw the speeds of a clip that shows the phases in an order."""
    timeline = draw_timeline(rng)
    return [(phase, progress) for phase in order for progress in timeline[phase].tolist()]


def progress_embedding(noise: float) -> Embed:
    """Return an embedding of the progress alone, with noise of each frame and of each clip.

    Random Fourier features: the distance of two moments grows with their difference in progress,
    up to about one phase.
    """
    rng = np.random.default_rng(0)
    frequencies = rng.normal(size=DIMENSION) / PHASES_ALIKE
    offsets = rng.uniform(0, 2 * np.pi, DIMENSION)

    def embed(moments: Moments, rng: np.random.Generator) -> np.ndarray:
        progress = np.array([phase + share for phase, share in moments])
        clean = np.sqrt(2) * np.cos(np.outer(progress, frequencies) + offsets)
        look = 2 * noise * rng.normal(size=DIMENSION)
        return (clean + look + noise * rng.normal(size=clean.shape)) / np.sqrt(DIMENSION)

    return embed


def encoder_embedding(encoder: str) -> Embed:
    """Return an embedding of rendered frames by an encoder."""
    from tacref.encoder.embedding import embed_frames
    from tacref_export.opening import open_encoder

    opened = open_encoder(encoder)

    def embed(moments: Moments, rng: np.random.Generator) -> np.ndarray:
        scene = Scene(rng, 128)
        frames = (scene.draw(pose(*moment), time) for time, moment in enumerate(moments))
        return np.concatenate(list(embed_frames(opened, frames, 64)))

    return embed


def measure(embed: Embed, others: int, sets: int, *, threshold: float, seed: int) -> dict:
    """Return the shares of faults found and of ordinary clips with a deviation."""
    found = dict.fromkeys(FAULTS, 0)
    false = 0
    for number in range(sets):
        rng = np.random.default_rng([seed, number])
        normal = faulty_order("none", 0)
        reference = draw_moments(normal, rng)
        x = embed(reference, rng)
        ordinary = [align(x, embed(draw_moments(normal, rng), rng)) for _ in range(others)]
        phase = int(rng.integers(1, len(PHASES) - 1))
        phases = np.array([each for each, _ in reference])
        for fault in FAULTS:
            odd = align(x, embed(draw_moments(faulty_order(fault, phase), rng), rng))
            *of_ordinary, of_odd = find_deviations([*ordinary, odd], threshold=threshold)
            planted = {phase, phase + 1} if fault == "swapped" else {phase}
            found[fault] += any(planted & set(phases[d.start_x : d.end_x].tolist()) for d in of_odd)
            false += sum(map(bool, of_ordinary))
    shares = {fault: count / sets for fault, count in found.items()}
    return shares | {"ordinary": false / (sets * others * len(FAULTS))}


def other_scores(alignments: Sequence[Alignment]) -> dict[str, list[np.ndarray]]:
    """Return scores of each step of each path: the one that is used, and others that were tried."""
    scores = {"as used": deviation_scores(alignments)}
    slopes = [_slope(alignment.path) for alignment in alignments]
    levels = [np.log(_around(each.step_costs) + 1e-3) for each in alignments]
    levels = [level - np.median(level) for level in levels]
    for name, values in {
        "cost": [_around(each.step_costs) for each in alignments],
        "log cost": levels,
        "slope": slopes,
        "log cost + slope": [a + b for a, b in zip(levels, slopes, strict=True)],
    }.items():
        by_frame = [
            np.bincount(each.path[:, 0], weights=own) / np.bincount(each.path[:, 0])
            for each, own in zip(alignments, values, strict=True)
        ]
        scores[name] = []
        for k, (each, own) in enumerate(zip(alignments, values, strict=True)):
            others = np.stack(by_frame[:k] + by_frame[k + 1 :])
            middle = np.median(others, axis=0)
            spread = 1.4826 * np.median(np.abs(others - middle))
            scores[name].append((own - middle[each.path[:, 0]]) / (spread or 1.0))
    return scores


def compare_scores(embed: Embed, others: int, sets: int, *, false: float, seed: int) -> dict:
    """Return the shares of faults with a score that only a share `false` of ordinary clips has."""
    largest: dict[str, dict[str, list[float]]] = {}
    for number in range(sets):
        rng = np.random.default_rng([seed, number])
        normal = faulty_order("none", 0)
        x = embed(draw_moments(normal, rng), rng)
        ordinary = [align(x, embed(draw_moments(normal, rng), rng)) for _ in range(others)]
        phase = int(rng.integers(1, len(PHASES) - 1))
        for fault in FAULTS:
            odd = align(x, embed(draw_moments(faulty_order(fault, phase), rng), rng))
            for name, scores in other_scores([*ordinary, odd]).items():
                kept = largest.setdefault(name, {})
                kept.setdefault("ordinary", []).extend(float(z.max()) for z in scores[:-1])
                kept.setdefault(fault, []).append(float(scores[-1].max()))
    return {
        name: {
            fault: float(np.mean(np.array(kept[fault]) > np.quantile(kept["ordinary"], 1 - false)))
            for fault in FAULTS
        }
        for name, kept in largest.items()
    }


def _around(costs: np.ndarray) -> np.ndarray:
    """Return the mean cost of the seven steps around each one."""
    weights = np.ones(7)
    sums = np.convolve(costs, weights)[3 : 3 + len(costs)]
    return sums / np.convolve(np.ones(len(costs)), weights)[3 : 3 + len(costs)]


def _slope(path: np.ndarray) -> np.ndarray:
    """Return how unequal both videos' progress is in the twelve steps around each one: |log|."""
    steps = np.arange(len(path))
    moved = path[np.minimum(steps + 6, len(path) - 1)] - path[np.maximum(steps - 6, 0)]
    return np.abs(np.log((moved[:, 1] + 1) / (moved[:, 0] + 1)))


def main(argv: Sequence[str] | None = None) -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", metavar="RUN_OR_ONNX")
    parser.add_argument("--sets", type=int, default=20)
    parser.add_argument("--threshold", type=float, default=DEFAULT_THRESHOLD)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scores", action="store_true", help="compare scores, at 1 % false marks")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if options.scores:
        return _print_scores(options.sets, options.seed, options.json)
    if options.encoder is None:
        embeddings = {f"noise {n:g}": progress_embedding(n) for n in (0.05, 0.15, 0.25)}
    else:
        embeddings = {options.encoder: encoder_embedding(options.encoder)}
    result = {
        name: {
            others: measure(
                embed, others, options.sets, threshold=options.threshold, seed=options.seed
            )
            for others in ((4, 7, 15) if options.encoder is None else (7,))
        }
        for name, embed in embeddings.items()
    }
    if options.json:
        print(json.dumps(result))
        return 0
    print("| embeddings | others | missing | twice | swapped | ordinary clips marked |")
    print("|---|---|---|---|---|---|")
    for name, by_others in result.items():
        for others, shares in by_others.items():
            cells = " | ".join(f"{100 * share:.1f} %" for share in shares.values())
            print(f"| {name} | {others} | {cells} |")
    return 0


def _print_scores(sets: int, seed: int, as_json: bool) -> int:
    result = {
        f"noise {noise:g}": compare_scores(
            progress_embedding(noise), 7, sets, false=0.01, seed=seed
        )
        for noise in (0.05, 0.15, 0.25)
    }
    if as_json:
        print(json.dumps(result))
        return 0
    print("| embeddings | score | missing | twice | swapped |\n|---|---|---|---|---|")
    for noise, scores in result.items():
        for name, shares in scores.items():
            cells = " | ".join(f"{100 * share:.0f} %" for share in shares.values())
            print(f"| {noise} | {name} | {cells} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
