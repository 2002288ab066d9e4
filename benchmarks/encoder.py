"""`python -m benchmarks.encoder`: resnet50 beside the straightforward module, in one run.

The straightforward one sends every context frame of every window through the backbone (`once`: each
frame once), and convolves the stacks in three dimensions, padding included. Both have the same
weights, and are checked to give the same embeddings.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tacref.data.sampling import context_windows, segment_uniform
from tacref.encoder import ENCODERS, EncoderConfig, build_encoder
from tacref.encoder.encoder import Encoder
from tacref.losses import LAVLoss

SIDE, OFFSETS = 224, ENCODERS["resnet50"].offsets


class Straightforward(nn.Module):
    """The same encoder, as one writes it down first."""

    def __init__(self, encoder: Encoder, *, once: bool = False) -> None:
        super().__init__()
        self.encoder, self.once = encoder, once

    def forward(self, frames: Tensor, windows: Tensor | None = None) -> Tensor:
        """Embed frames `(M, H, W, 3)` with windows `(..., K)`, or all of a video."""
        encoder = self.encoder
        if windows is None:
            positions = torch.arange(len(frames))[:, None] + encoder.offsets.cpu()
            windows = positions.clamp(0, len(frames) - 1).to(frames.device)
        rows = windows.reshape(-1, windows.shape[-1])  # (N, K)
        if self.once:
            features = encoder.backbone(encoder.preprocess(frames))[rows]  # (N, K, C, h, w)
        else:
            pixels = encoder.preprocess(frames[rows.flatten()])
            features = encoder.backbone(pixels).unflatten(0, rows.shape)
        first, norm_1, _, second, norm_2, _ = encoder.head.convolutions
        volume = features.transpose(1, 2)  # (N, C, K, h, w)
        for convolution, norm in ((first, norm_1), (second, norm_2)):
            volume = functional.conv3d(volume, convolution.weight, convolution.bias, padding=1)
            volume = functional.batch_norm(
                volume, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training
            ).relu()
        embeddings = functional.normalize(encoder.head.layers(volume.amax((2, 3, 4))), dim=-1)
        return embeddings.reshape(*windows.shape[:-1], -1)


def draw(length: int, pairs: int) -> tuple[int, Tensor]:
    """Draw as training does: the number of distinct frames, and windows `(2, pairs, 20, 2)`."""
    rng = np.random.default_rng(0)
    count, windows = 0, []
    for _ in range(2 * pairs):
        context = context_windows(segment_uniform(length, 20, rng), OFFSETS, length)
        distinct, places = np.unique(context, return_inverse=True)
        windows.append(count + places.reshape(context.shape))
        count += len(distinct)
    return count, torch.from_numpy(np.stack(windows)).reshape(2, pairs, 20, len(OFFSETS))


def rounds(calls: dict[str, Callable[[], object]], count: int, device: str) -> dict[str, float]:
    """Return the median seconds of each call, taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(count + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if device != "cpu":
                torch.cuda.synchronize()
            if turn:  # the first one only warms up
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def compiled(encoder: Encoder, call: Callable[[], object]) -> Callable[[], object]:
    """Return a call that runs with the backbone compiled, as `tacref train --compile` does."""
    plain, faster = encoder.backbone.forward, torch.compile(encoder.backbone.forward)

    def run() -> None:
        encoder.backbone.forward = faster
        try:
            call()
        finally:
            encoder.backbone.forward = plain

    return run


def table(title: str, times: dict[str, float]) -> None:
    """Print times and ratios to the first."""
    print(f"\n| {title} | s | x |\n|---|---:|---:|")
    base = next(iter(times.values()))
    for name, seconds in times.items():
        print(f"| {name} | {seconds:.3f} | {base / seconds:.2f} |", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--frames", type=int, default=32, help="of the video (default: 32)")
    parser.add_argument("--pairs", type=int, default=1, help="of a training step (default: 1)")
    parser.add_argument(
        "--length",
        type=int,
        default=81,
        help="frames of each clip that a step draws from (default: 81, the push-ups' mean)",
    )
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    device = options.device
    torch.manual_seed(0)
    encoder = build_encoder(EncoderConfig.default("resnet50", dim=128)).to(device)
    plain = Straightforward(copy.deepcopy(encoder))
    encoder.backbone.to(memory_format=torch.channels_last)  # as in training
    video = torch.randint(0, 256, (options.frames, SIDE, SIDE, 3), dtype=torch.uint8, device=device)

    encoder.eval()
    plain.eval()
    with torch.inference_mode():
        difference = (encoder(video) - plain(video)).abs().max().item()
        print(f"largest difference of embeddings: {difference:.1e}")
        table(
            f"embedding {options.frames} frames",
            rounds(
                {"straightforward": lambda: plain(video), "tacref": lambda: encoder(video)},
                options.repeats,
                device,
            ),
        )

    encoder.train()
    plain.train()
    count, windows = draw(options.length, options.pairs)
    frames = torch.randint(0, 256, (count, SIDE, SIDE, 3), dtype=torch.uint8, device=device)
    windows = windows.to(device)
    loss_of = LAVLoss()

    def step(model: nn.Module, dtype: torch.dtype | None) -> None:
        model.zero_grad()
        kind = torch.device(device).type
        with torch.autocast(kind, dtype or torch.bfloat16, enabled=dtype is not None):
            x, y = model(frames, windows)
        loss_of(x.float(), y.float()).loss.backward()

    calls: dict[str, Callable[[], object]] = {
        "straightforward": lambda: step(plain, None),
        "tacref": lambda: step(encoder, None),
        "tacref, bfloat16": lambda: step(encoder, torch.bfloat16),
    }
    if device != "cpu":
        calls["tacref, bfloat16, compiled"] = compiled(
            encoder, lambda: step(encoder, torch.bfloat16)
        )
    table(
        f"training step, {windows.numel()} context frames, {count} of them distinct",
        rounds(calls, options.repeats, device),
    )


if __name__ == "__main__":
    main()
