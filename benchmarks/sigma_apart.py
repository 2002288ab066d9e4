"""How much LAV's loss changes where float32 misjudges frames that are exactly sigma apart.

The released code takes frames for far where |t_i - t_j| - sigma / length > 0 in float32, t being
frame numbers over the clip's length. The same loss with whole numbers compared is what tacref has.
"""

import numpy as np

from tacref.reference import contrastive_idm_of_distances, cost_matrix, soft_dtw

# Of the released code: frames a clip, numbers an embedding, and the loss's parameters.
FRAMES, D, SIGMA, MARGIN, ALPHA, GAMMA = 20, 128, 10, 2.0, 0.5, 0.1
BATCHES = 200  # each a pair of clips, as there


def sampled_frames(rng: np.random.Generator, length: int) -> np.ndarray:
    """Draw one whole-numbered frame from each of 20 segments, as the released code does."""
    frames = np.arange(length + -length % FRAMES) % length
    segment = len(frames) / FRAMES
    picked = np.arange(FRAMES) * segment + rng.integers(0, int(segment), FRAMES)
    return np.sort(frames[picked.astype(int)])


def far_in_float32(frames: np.ndarray, length: int) -> np.ndarray:
    """Return which pairs are farther apart than sigma, by quotients in float32."""
    times = frames.astype(np.float32) / np.float32(length)
    return np.abs(times[:, None] - times) - np.float32(SIGMA / length) > 0


def main() -> None:
    """Print how often, and by how much, the loss of random batches differs."""
    rng = np.random.default_rng(0)
    apart, misjudged, changes = 0, 0, []
    for _ in range(BATCHES):
        embeddings = rng.normal(size=(2, FRAMES, D))
        embeddings /= np.linalg.norm(embeddings, axis=2, keepdims=True)
        value, change = soft_dtw(cost_matrix(*embeddings), gamma=GAMMA), 0.0
        for rows in embeddings:
            length = int(rng.integers(30, 400))
            frames, costs = sampled_frames(rng, length), cost_matrix(rows, rows)
            options = {"sigma": SIGMA, "margin": MARGIN, "variant": "official"}
            value += ALPHA * contrastive_idm_of_distances(
                costs, times=frames, video_length=length, **options
            )
            gaps = np.abs(frames[:, None] - frames)
            wrong = far_in_float32(frames, length) != (gaps > SIGMA)
            # All of them are sigma apart, which is near.
            as_far = ((gaps / length) ** 2 + 1) * np.maximum(0, MARGIN - costs)
            change += ALPHA * np.sum((as_far - costs)[wrong])
            apart, misjudged = apart + np.sum(gaps == SIGMA), misjudged + np.sum(wrong)
        changes.append(abs(change) / value)
    differ = np.array([change for change in changes if change > 1e-4])
    print(
        f"pairs exactly sigma apart: {apart}, taken for far: {misjudged} ({misjudged / apart:.0%})"
    )
    print(f"batches whose loss differs by more than 1e-4: {len(differ)} of {BATCHES}")
    print(f"  of these: median {np.median(differ):.2%}, largest {differ.max():.1%}")


if __name__ == "__main__":
    main()
