"""The training loop: an encoder, pairs of clips and settings to a run's folder."""

import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor

from tacref.data import Clip, PairBatch, PairDataset
from tacref.encoder import Encoder, save_encoder
from tacref.encoder.device import check_device
from tacref.evaluate import activity_taus, mean_tau
from tacref.losses import LAVLoss

METRICS = "metrics.jsonl"
MAX_LR = 1000.0


class TrainingDivergedError(ArithmeticError):
    """The loss or a weight is no longer a finite number."""


@dataclass(frozen=True)
class Settings:
    """How to train; see `python -m tacref.train --help` for units and defaults."""

    steps: int
    lr: float
    pairs: int
    frames: int = 20
    seed: int = 0
    device: str = "cpu"
    gamma: float = 0.1
    alpha: float = 0.5
    sigma: float = 15.0
    margin: float = 2.0
    variant: str = "official"
    weight_decay: float = 1e-5
    augment: bool = True
    save_every: int = 100

    def __post_init__(self) -> None:
        """Check all values."""
        self.make_loss()
        check_device(self.device)
        for name in ("steps", "pairs", "frames", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)!r}")
        for name, most in (("pairs", 10_000), ("frames", 100_000)):
            if getattr(self, name) > most:
                raise ValueError(f"{name} must be <= {most}, got {getattr(self, name)!r}")
        if not 0 < self.lr <= MAX_LR:
            raise ValueError(f"lr must be > 0 and <= {MAX_LR:g}, got {self.lr!r}")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"weight_decay must be finite and >= 0, got {self.weight_decay!r}")

    def make_loss(self) -> LAVLoss:
        """Return the loss that these settings describe.

        Raises
        ------
        ValueError
            If gamma, alpha, sigma, margin or variant is out of range.
        """
        return LAVLoss(
            gamma=self.gamma,
            alpha=self.alpha,
            sigma=self.sigma,
            margin=self.margin,
            variant=self.variant,
        )


@dataclass
class Result:
    """What a training run came to."""

    run: Path
    steps: int
    seconds: float
    interrupted: bool
    tau_untrained: dict[str, float] = field(default_factory=dict)
    tau_trained: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return what a person wants to know, a few lines."""
        lines = [f"{self.run}: {self.steps} steps in {self.seconds:.0f} s"]
        if self.interrupted:
            lines[0] += ", interrupted; the encoder so far is saved"
        if self.tau_trained:
            title = "Kendall's tau on held-out clips (stride 1)"
            lines.append(f"{title}{'untrained':>11}{'trained':>9}")
            width = len(title) - 2
            lines.extend(
                f"  {name:<{width}}{self.tau_untrained[name]:11.3f}{tau:9.3f}"
                for name, tau in self.tau_trained.items()
            )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self) | {"run": str(self.run)}


def train(
    encoder: Encoder,
    dataset: PairDataset,
    val: dict[str, list[Clip]],
    run: str | Path,
    settings: Settings,
    *,
    progress: bool = True,
    **notes: Any,
) -> Result:
    """Train an encoder and keep it in a run's folder.

    The folder is usable at any time: the encoder is saved at the start, every
    `settings.save_every` steps, when the first ctrl-C ends the loop after its step, and at the
    end.

    Parameters
    ----------
    encoder : Encoder
        Trained in place.
    dataset : PairDataset
        Pairs of clips to train on.
    val : dict of str to list of Clip
        Held-out clips for Kendall's tau before and after; empty for none.
    run : str or Path
        The run's folder.
    settings : Settings
        How to train.
    progress : bool
        Show progress bars (on a terminal only).
    **notes
        Further JSON values for config.json.

    Returns
    -------
    Result
        Where the run is and how it went.

    Raises
    ------
    TrainingDivergedError
        If the loss or a weight is NaN or infinite; the last saved encoder stays.
    """
    from tqdm import trange

    run = Path(run)
    loss_of = settings.make_loss()
    encoder.to(settings.device)
    saved = {"training": asdict(settings), **notes}
    result = Result(run, 0, 0.0, interrupted=False)
    if val:  # a damaged clip shows here, before there is a run
        result.tau_untrained = activity_taus(encoder, val, progress=progress)
    run.mkdir(parents=True, exist_ok=True)
    save_encoder(encoder, run, **saved)
    with (run / METRICS).open("w", encoding="utf-8") as metrics:
        if val:
            _write(
                metrics, step=0, tau=result.tau_untrained, mean_tau=mean_tau(result.tau_untrained)
            )
        optimizer, schedule = _optimizer(encoder, settings)
        start = time.perf_counter()
        torch.manual_seed(settings.seed)  # of dropout
        encoder.train()
        bar = trange(
            settings.steps, desc="train", unit=" steps", disable=None if progress else True
        )
        with bar, _threads_for(encoder, settings), _stop_on_interrupt() as stop:
            for step in bar:
                batch = dataset.batch(step)
                terms = loss_of(*_embed_pairs(encoder, batch), **_lav_times(batch))
                loss = terms.loss.item()
                if not math.isfinite(loss):
                    raise TrainingDivergedError(
                        f"loss is {loss} at step {step} on {batch.names}; "
                        f"{run} holds the encoder as last saved"
                    )
                lr = schedule.get_last_lr()[0]
                optimizer.zero_grad()
                terms.loss.backward()
                optimizer.step()
                schedule.step()
                result.steps = step + 1
                result.seconds = time.perf_counter() - start
                numbers = {
                    "loss": loss,
                    "alignment": terms.alignment.item(),
                    "regularizer": terms.regularizer.item(),
                }
                bar.set_postfix({name: f"{value:.4g}" for name, value in numbers.items()})
                _write(
                    metrics,
                    step=step + 1,
                    **numbers,
                    lr=lr,
                    seconds=round(result.seconds, 3),
                )
                if result.steps % settings.save_every == 0:
                    _check_weights(encoder, run, result.steps)
                    save_encoder(encoder, run, **saved)
                if stop.is_set():
                    result.interrupted = True
                    break
        encoder.eval()
        _check_weights(encoder, run, result.steps)
        save_encoder(encoder, run, **saved)
        if val and not result.interrupted:
            result.tau_trained = activity_taus(encoder, val, progress=progress)
            _write(
                metrics,
                step=result.steps,
                tau=result.tau_trained,
                mean_tau=mean_tau(result.tau_trained),
            )
    return result


def _check_weights(encoder: Encoder, run: Path, steps: int) -> None:
    for name, weight in encoder.named_parameters():
        if not torch.isfinite(weight).all():
            raise TrainingDivergedError(
                f"weight {name} is not finite after {steps} steps; "
                f"{run} holds the encoder as last saved"
            )


@contextmanager
def _threads_for(encoder: Encoder, settings: Settings) -> Iterator[None]:
    """Use one thread where the matrices are so small that others only wait for each other."""
    threads = torch.get_num_threads()
    if not encoder.config.takes_pictures and settings.device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _optimizer(
    encoder: Encoder, settings: Settings
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimizer = torch.optim.Adam(
        encoder.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
    )
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)


def _embed_pairs(encoder: Encoder, batch: PairBatch) -> tuple[Tensor, Tensor]:
    device = encoder.offsets.device
    frames = torch.from_numpy(batch.frames).to(device)
    windows = torch.from_numpy(batch.windows).to(device)  # (2, pairs, N, K)
    x, y = encoder(frames, windows)  # (pairs, N, d) each
    return x, y


def _lav_times(batch: PairBatch) -> dict[str, Tensor]:
    times, lengths = torch.from_numpy(batch.times), torch.from_numpy(batch.lengths)
    return {
        "times_x": times[0],
        "times_y": times[1],
        "video_lengths_x": lengths[0],
        "video_lengths_y": lengths[1],
    }


def _write(metrics: TextIO, **values: Any) -> None:
    metrics.write(json.dumps(values) + "\n")
    metrics.flush()


@contextmanager
def _stop_on_interrupt() -> Iterator[threading.Event]:
    """Let the first ctrl-C end the loop after its step, the second one at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may handle signals
        return

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)
