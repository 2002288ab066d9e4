"""The training loop: an encoder, pairs of clips and settings to a run's folder."""

import signal
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from tqdm import tqdm

from tacref.data import Clip, PairDataset, iter_batches
from tacref.encoder import Encoder
from tacref.encoder.device import check_device
from tacref.evaluation.labeled import mean_tau
from tacref.training.checkpoint import (
    fingerprint,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
    save_weights,
)
from tacref.training.distributed import Ranks
from tacref.training.dropout import dropout_by_pair
from tacref.training.log import ProgressLog, say, shows_bars
from tacref.training.metrics import Metrics
from tacref.training.result import Result
from tacref.training.settings import Settings
from tacref.training.step import Stepper, TrainingDivergedError, threads_for
from tacref.training.stop import stop_on_signals
from tacref.training.validation import HeldOut

BEST = "best"


def train(
    encoder: Encoder,
    dataset: PairDataset,
    val: dict[str, list[Clip]],
    run: str | Path,
    settings: Settings,
    *,
    resume: bool = False,
    ranks: Ranks | None = None,
    progress: bool = True,
    title: str | None = None,
    **notes: Any,
) -> Result:
    """Train an encoder and keep it in a run's folder.

    The folder is usable at any time: the encoder is saved at the start, with every checkpoint,
    when the first ctrl-C, SIGTERM or SIGHUP ends the loop after its step, and at the end. A run
    that was ended in any way goes on from its newest checkpoint as if it had not been.

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
    resume : bool
        Go on from the newest checkpoint in `run`, if there is one.
    ranks : Ranks, optional
        The processes that train together, connected already; by default this one alone.
    progress : bool
        Show progress on stderr: bars on a terminal, else a line about every 30 seconds.
    title : str, optional
        First line where no bars are shown.
    **notes
        Further JSON values for config.json.

    Returns
    -------
    Result
        Where the run is and how it went.

    Raises
    ------
    TrainingDivergedError
        If the loss, the gradient or a weight is NaN or infinite; the last saved encoder stays,
        and `diverged.json` names the step's clips.
    ValueError
        If a checkpoint is of another encoder, other settings or other data.
    OSError
        If a file cannot be written; the checkpoints that were there stay.
    """
    loop = _Loop(encoder, dataset, val, Path(run), settings, ranks or Ranks(), progress, notes)
    try:
        loop.begin(resume, title)
        loop.steps()
        loop.end()
    except TrainingDivergedError as error:
        if loop.ranks.first:
            error.save(loop.run)
        raise
    finally:
        if loop.metrics is not None:
            loop.metrics.close()
    return loop.result


class _Loop:
    """A run as it goes."""

    def __init__(
        self,
        encoder: Encoder,
        dataset: PairDataset,
        val: dict[str, list[Clip]],
        run: Path,
        settings: Settings,
        ranks: Ranks,
        progress: bool,
        notes: dict[str, Any],
    ) -> None:
        settings.check_shares(ranks.world)
        if dataset.views != settings.views:
            raise ValueError(
                f"dataset.views must be {settings.views} with view_weight = "
                f"{settings.view_weight:g}, got {dataset.views}"
            )
        check_device(ranks.device(settings.device))
        self.dataset, self.run = dataset, run
        self.settings, self.ranks = settings, ranks
        self.progress = progress and ranks.first
        skip = settings.on_bad_video == "skip"
        self.val = HeldOut(val, ranks, skip=skip, progress=self.progress)
        self.stepper = Stepper(encoder, settings, ranks)
        self.encoder = encoder
        self.saved = {"training": settings.to_json(), **notes}
        data = Path(notes["data"]) if notes.get("data") else run / "data"
        clips = [*dataset.clips, *(clip for members in val.values() for clip in members)]
        self.data = fingerprint(clips, data)
        self.result = Result(run)
        self.result.skipped = dict.fromkeys(map(str, dataset.bad.values()), 0)
        self.best: float | None = None
        self.metrics: Metrics | None = None
        self._saved_at, self._saved_when = 0, time.monotonic()

    def begin(self, resume: bool, title: str | None) -> None:
        """Start anew or from the newest checkpoint."""
        found = newest_checkpoint(self.run) if resume and self.ranks.first else None
        path = self.ranks.gather(found)[0]
        state = None if path is None else self._load(path)
        if title is not None and self.progress and not shows_bars():
            say(title)
        if state is not None:
            self._restore(state)
            return
        if self.val.clips:  # a damaged clip shows here, before there is a run
            self.result.tau_untrained = self._taus()
        if self.ranks.first:
            self.run.mkdir(parents=True, exist_ok=True)
            self._save_weights()
            self.metrics = Metrics(self.run)
            self._write_taus(0, self.result.tau_untrained)

    def _load(self, path: Path) -> dict[str, Any]:
        encoder, settings = self.encoder.config.to_json(), self.settings.to_json()
        return load_checkpoint(path, encoder=encoder, settings=settings, data=self.data)

    def _restore(self, state: dict[str, Any]) -> None:
        self.encoder.load_state_dict(state["model"])
        self.stepper.optimizer.load_state_dict(state["optimizer"])
        self.stepper.scaler.load_state_dict(state["scaler"])
        result, step = self.result, state["step"]
        result.steps = result.resumed_at = self._saved_at = step
        result.seconds, self.best = state["seconds"], state["best"]
        result.tau_untrained = state["tau_untrained"]
        result.skipped |= state["skipped"]
        if self.ranks.first:
            self._save_weights()  # a killed process may have left an older one
            again = step == self.settings.steps or self._measures_after(step)
            self.metrics = Metrics(
                self.run,
                lambda line: (
                    line["step"] < step or (line["step"] == step and not (again and "tau" in line))
                ),
                step,
            )
        if self._measures_after(step):  # a signal that ended the run left no time for it
            self._measure()

    def steps(self) -> None:
        """Train to the last step, or until a signal."""
        settings, ranks, result = self.settings, self.ranks, self.result
        batches = iter_batches(
            self.dataset,
            range(result.steps, settings.steps),
            rank=ranks.rank,
            world=ranks.world,
            parts=settings.accumulate,
            workers=settings.workers,
        )
        bar = tqdm(
            desc="train",
            unit=" steps",
            total=settings.steps,
            initial=result.steps,
            disable=None if self.progress else True,
        )
        log = ProgressLog(settings.steps) if self.progress and not shows_bars() else None
        before, start = result.seconds, time.perf_counter()
        stepper = self.stepper
        stepper.train_mode()
        stepper.watch.skip()
        with (
            bar,
            closing(cast(Generator, batches)),  # which ends the workers
            dropout_by_pair(self.encoder, stepper.masks),
            threads_for(self.encoder, settings),
            stop_on_signals() as stop,
        ):
            for parts, waited in batches:
                numbers, ending, skipped = stepper.step(result.steps, parts, stop.signal != 0)
                stepper.watch.step(waited)
                for message in skipped:
                    if result.note_skipped(message) and ranks.first:
                        say(f"skipped: {message}")
                result.steps += 1
                result.seconds = before + time.perf_counter() - start
                bar.update()
                bar.set_postfix({name: f"{value:.4g}" for name, value in numbers.items()})
                if log is not None:
                    log.step(result.steps, numbers)
                if self.metrics is not None:
                    self.metrics.write(result.steps, **numbers, seconds=round(result.seconds, 3))
                ending = ending and result.steps < settings.steps
                self._after_step(ending)
                if ending:
                    result.signal = stop.signal or signal.SIGTERM
                    break
        self.encoder.eval()
        result.milliseconds = stepper.watch.milliseconds()
        if self.metrics is not None and result.milliseconds:
            self.metrics.write(result.steps, milliseconds=result.milliseconds)

    def _after_step(self, ending: bool) -> None:
        """Measure and save what is due."""
        steps, settings = self.result.steps, self.settings
        last = steps == settings.steps
        if self._measures_after(steps) and not ending:
            self._measure()
            self.stepper.train_mode()
            self.stepper.watch.skip()
        due = time.monotonic() - self._saved_when >= 60 * settings.save_minutes
        if self.ranks.first and (ending or last or due or steps % settings.save_every == 0):
            self._save()

    def _measures_after(self, steps: int) -> bool:
        """Return whether tau is measured on the way; it is at the end in any case."""
        every = self.settings.evaluate_every
        return bool(self.val.clips and every and steps % every == 0 and steps < self.settings.steps)

    def end(self) -> None:
        """Measure tau, unless the run was ended before its last step."""
        if self.val.clips and not self.result.interrupted:
            self.result.tau_trained = self._measure()

    def _taus(self) -> dict[str, float]:
        taus = self.val.taus(self.encoder)
        for message in self.val.bad.values():
            self.result.skipped.setdefault(message, 0)
        return taus

    def _measure(self) -> dict[str, float]:
        """Measure tau; keep the encoder if it is the best so far and the run looks for it."""
        taus = self._taus()
        if self.ranks.first:
            self._write_taus(self.result.steps, taus)
            wanted = taus and self.settings.evaluate_every
            if wanted and (self.best is None or mean_tau(taus) > self.best):
                self.best = mean_tau(taus)
                best = {"step": self.result.steps, "mean_tau": self.best}
                save_weights(self.encoder, self.run / BEST, self.saved | {"best": best})
        return taus

    def _write_taus(self, step: int, taus: dict[str, float]) -> None:
        if self.metrics is not None and taus:
            self.metrics.write(step, tau=taus, mean_tau=mean_tau(taus))

    def _save(self) -> None:
        """Write a checkpoint and the encoder."""
        result = self.result
        if self._saved_at != result.steps:
            state = {
                "step": result.steps,
                "model": self.encoder.state_dict(),
                "optimizer": self.stepper.optimizer.state_dict(),
                "scaler": self.stepper.scaler.state_dict(),
                "encoder": self.encoder.config.to_json(),
                "settings": self.settings.to_json(),
                "data": self.data,
                "best": self.best,
                "seconds": result.seconds,
                "tau_untrained": result.tau_untrained,
                "skipped": result.skipped,
            }
            save_checkpoint(self.run, state, keep=self.settings.keep)
        self._saved_at, self._saved_when = result.steps, time.monotonic()
        self._save_weights()

    def _save_weights(self) -> None:
        save_weights(self.encoder, self.run, self.saved | {"step": self.result.steps})
