"""One step of training: micro-batches through encoder and loss, then the optimizer."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from tacref.data import PairBatch
from tacref.encoder import Encoder
from tacref.files import replacing
from tacref.losses import SequenceContrastiveLoss
from tacref.training.distributed import Ranks, synchronize_batchnorm
from tacref.training.dropout import DropoutMasks
from tacref.training.optimizer import lr_factor, make_optimizer
from tacref.training.settings import Settings
from tacref.training.stopwatch import Stopwatch

DIVERGED = "diverged.json"
# A gradient that is not finite at this scale of the loss is not just too large for float16.
_MIN_LOSS_SCALE = 2.0**-20
_DTYPES = {"full": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TrainingDivergedError(ArithmeticError):
    """The loss, the gradient or a weight is no longer a finite number.

    Parameters
    ----------
    step : int
        The step, from 1 as in metrics.jsonl.
    what : str
        What is not finite.
    clips : sequence of (str, str)
        The pairs of clips of the step.
    """

    def __init__(self, step: int, what: str, clips: Sequence[tuple[str, str]] = ()) -> None:
        on = f" on {list(clips)}" if clips else ""
        super().__init__(f"{what} at step {step}{on}")
        self.step, self.what, self.clips = step, what, list(clips)

    def save(self, run: Path) -> None:
        """Write what happened to diverged.json in a run's folder."""
        report = {"step": self.step, "what": self.what, "clips": self.clips}
        with replacing(run / DIVERGED) as path:
            path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


class Step(NamedTuple):
    """The outcome of a step, the same in every process.

    Parameters
    ----------
    numbers : dict of str to float
        Means over all its pairs: the loss and its parts; the gradient's norm and the learning
        rate.
    stopping : bool
        True if any process was asked to stop.
    skipped : list of str
        What is wrong with each clip that could not be read, in any process.
    """

    numbers: dict[str, float]
    stopping: bool
    skipped: list[str]


class Stepper:
    """An encoder with its optimizer.

    Parameters
    ----------
    encoder : Encoder
        Trained in place.
    settings : Settings
        How to train.
    ranks : Ranks
        The processes; all begin with the weights of the first.
    """

    def __init__(self, encoder: Encoder, settings: Settings, ranks: Ranks) -> None:
        self.encoder, self.settings, self.ranks = encoder, settings, ranks
        self.device = ranks.device(settings.device)
        encoder.to(self.device)
        encoder.backbone.requires_grad_(not settings.freeze_backbone)
        if encoder.config.kind.channels_last:
            encoder.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if settings.sync_batchnorm and ranks.world > 1:
            synchronize_batchnorm(encoder)
        self.optimizer = make_optimizer(encoder, settings)
        self.weights = [w for group in self.optimizer.param_groups for w in group["params"]]
        kind = torch.device(self.device).type
        # Losses are of order ten: torch's first scale, 2**16, would lose the first steps.
        self.scaler = torch.amp.GradScaler(
            kind, init_scale=1024.0, enabled=settings.precision == "fp16"
        )
        self.autocast: dict[str, Any] = {
            "device_type": kind,
            "dtype": _DTYPES[settings.precision],
            "enabled": settings.precision != "full",
        }
        if settings.compile:
            encoder.backbone.compile()
        elif kind == "cpu" and settings.precision == "full":
            encoder.chunk = encoder.config.kind.chunk
        self.objective = settings.make_objective()
        self.contrast = SequenceContrastiveLoss(sigma=settings.view_sigma)
        self.dropout_masks = DropoutMasks(settings.seed, self.device)
        self.stopwatch = Stopwatch(self.device)
        self.model: nn.Module = encoder
        if ranks.world > 1:
            device_ids = [self.device] if kind == "cuda" else None
            self.model = DistributedDataParallel(encoder, device_ids, gradient_as_bucket_view=True)

    def train_mode(self) -> None:
        """Set the encoder to training; a frozen backbone keeps its batch statistics."""
        self.encoder.train()
        if self.settings.freeze_backbone:
            self.encoder.backbone.eval()

    def step(self, step: int, batches: Sequence[PairBatch], stop_requested: bool = False) -> Step:
        """Train on this process's share of a step.

        Parameters
        ----------
        step : int
            Number of the step, from 0.
        batches : sequence of PairBatch
            Its micro-batches.
        stop_requested : bool
            True if this process was asked to stop.

        Raises
        ------
        TrainingDivergedError
            In every process, if the loss or the gradient is not finite (the weights are then
            those before the step), or a weight is not finite after the step.
        """
        rate = lr_factor(step, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["full_lr"]
        self.optimizer.zero_grad()
        means: dict[str, Tensor] = {}
        for part, batch in enumerate(batches):
            for name, value in self._accumulate(step, part, batch, len(batches)).items():
                means[name] = means.get(name, 0.0) + value / len(batches)
        self.scaler.unscale_(self.optimizer)
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        norm = get_total_norm(gradients)
        skipped = [clip for batch in batches for clip in batch.skipped]
        own = norm.new_tensor((float(stop_requested), float(len(skipped))))
        shared = self.ranks.mean(torch.cat((torch.stack(list(means.values())), own)))
        *values, stops, unreadable, norm_value = torch.cat((shared, norm[None])).tolist()
        if unreadable:
            skipped = [clip for share in self.ranks.gather(skipped) for clip in share]
        numbers = dict(zip(means, values, strict=True))
        self._check(numbers["loss"], norm_value, step, batches)
        if self.settings.clip_norm:
            clip_grads_with_norm_(self.weights, self.settings.clip_norm, norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if not math.isfinite(get_total_norm(self.weights)):
            self._diverged("a weight is not finite", step, batches)
        # JSON has no infinity, which the norm is in float16 if the scale was too large.
        finite = {"grad_norm": norm_value} if math.isfinite(norm_value) else {}
        numbers |= finite | {"lr": rate * self.settings.lr}
        return Step(numbers, stops > 0, skipped)

    def _accumulate(self, step: int, part: int, batch: PairBatch, parts: int) -> dict[str, Tensor]:
        """Add a micro-batch's share to the gradient; return its loss and the loss's parts."""
        pairs, views = len(batch.names), self.settings.views
        first = (self.ranks.rank * parts + part) * pairs
        self.dropout_masks.begin_micro_batch(
            step,
            [
                view * self.settings.pairs + pair
                for view in range(views)
                for pair in range(first, first + pairs)
            ],
        )
        with self.stopwatch.part("transfer"):
            frames = torch.from_numpy(batch.frames).to(self.device)
            windows = torch.from_numpy(batch.windows).to(self.device)  # (2, views * pairs, N, K)
            times, lengths = torch.from_numpy(batch.times), torch.from_numpy(batch.lengths)
        keeps_local = part < parts - 1 and isinstance(self.model, DistributedDataParallel)
        with self.model.no_sync() if keeps_local else nullcontext():  # type: ignore[operator]
            with self.stopwatch.part("encoder"), torch.autocast(**self.autocast):
                embeddings = self.model(frames, windows)  # (2, views * pairs, N, d)
            # The loss has its own graph, in full precision, so that it is timed separately.
            leaf = embeddings.detach().float().requires_grad_()
            with self.stopwatch.part("loss"):
                terms = self.objective(
                    leaf[0],
                    leaf[1],
                    times_x=times[0],
                    times_y=times[1],
                    video_lengths_x=lengths[0],
                    video_lengths_y=lengths[1],
                )
                loss, loss_parts = terms.loss, dict(terms.parts)
                if views > 1:
                    # (2 * pairs, N, …) for either view: each clip is compared with itself.
                    x, y = (view.flatten(0, 1) for view in leaf.chunk(2, dim=1))
                    s, t = (view.flatten(0, 1) for view in times.chunk(2, dim=1))
                    contrast = self.contrast(x, y, times_x=s, times_y=t)
                    loss = loss + self.settings.view_weight * contrast
                    loss_parts["views"] = contrast.detach()
                (loss / parts).backward()
            with self.stopwatch.part("encoder"):
                assert leaf.grad is not None
                embeddings.backward(self.scaler.scale(leaf.grad).to(embeddings.dtype))
        return {"loss": loss.detach(), **loss_parts}

    def _check(self, loss: float, norm: float, step: int, batches: Sequence[PairBatch]) -> None:
        too_large = self.scaler.is_enabled() and self.scaler.get_scale() > _MIN_LOSS_SCALE
        if math.isfinite(loss) and (math.isfinite(norm) or too_large):
            return
        what = f"gradient's norm is {norm}" if math.isfinite(loss) else f"loss is {loss}"
        self._diverged(what, step, batches)

    def _diverged(self, what: str, step: int, batches: Sequence[PairBatch]) -> NoReturn:
        own = [names for batch in batches for names in batch.names]
        clips = [names for share in self.ranks.gather(own) for names in share]
        raise TrainingDivergedError(step + 1, what, clips)


@contextmanager
def threads_for(encoder: Encoder, settings: Settings) -> Iterator[None]:
    """Let torch use one thread where more would only wait for each other.

    That is where matrices are small, and where threads share chunks of frames instead.
    """
    threads = torch.get_num_threads()
    config = encoder.config
    small = not config.takes_pictures or config.backbone is not None
    if (small or encoder.chunk) and settings.device == "cpu":
        torch.set_num_threads(1)
    encoder.chunk_threads = threads
    try:
        yield
    finally:
        encoder.chunk_threads = 1
        torch.set_num_threads(threads)
