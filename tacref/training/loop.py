"""The training loop: from an encoder, pairs of clips and settings to a run's folder."""

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
from tacref.training.checkpoint import fingerprint
from tacref.training.distributed import Ranks
from tacref.training.dropout import dropout_by_pair
from tacref.training.log import ProgressLog, say, shows_bars
from tacref.training.result import Result
from tacref.training.run_files import RunFiles
from tacref.training.settings import Settings
from tacref.training.step import Stepper, TrainingDivergedError, threads_for
from tacref.training.stop import stop_on_signals
from tacref.training.validation import HeldOut


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
    when the first ctrl-C, SIGTERM or SIGHUP ends the loop after the current step, and at the end. A
    run that was ended in any way continues from its newest checkpoint as if it had not been.

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
        Continue from the newest checkpoint in `run`, if there is one.
    ranks : Ranks, optional
        The processes that train together, already connected; by default only this one.
    progress : bool
        Show progress on stderr: bars on a terminal, else a line about every 30 seconds.
    title : str, optional
        First line where no bars are shown.
    **notes
        Further JSON values for config.json.

    Returns
    -------
    Result
        Where the run is, and its outcome.

    Raises
    ------
    TrainingDivergedError
        If the loss, the gradient or a weight is NaN or infinite. The last saved encoder stays,
        and `diverged.json` names the step's clips.
    ValueError
        If a checkpoint belongs to another encoder, other settings or other data.
    OSError
        If a file cannot be written; earlier checkpoints stay.
    """
    run, ranks = Path(run), ranks or Ranks()
    settings.check_shares(ranks.world)
    if dataset.views != settings.views:
        raise ValueError(
            f"dataset.views must be {settings.views} with view_weight = "
            f"{settings.view_weight:g}, got {dataset.views}"
        )
    check_device(ranks.device(settings.device))
    progress = progress and ranks.first
    held_out = HeldOut(
        val,
        ranks,
        skip=settings.on_bad_video == "skip",
        progress=progress,
        features=dataset.features,
    )
    stepper = Stepper(encoder, settings, ranks)
    data = Path(notes["data"]) if notes.get("data") else run / "data"
    clips = [*dataset.clips, *(clip for members in val.values() for clip in members)]
    files = RunFiles(run, stepper, notes, fingerprint(clips, data))
    loop = _Loop(dataset, stepper, held_out, files, progress)
    try:
        loop.begin(resume, title)
        loop.steps()
        loop.end()
    except TrainingDivergedError as error:
        if loop.ranks.first:
            error.save(loop.files.run)
        raise
    finally:
        loop.files.close()
    return loop.result


class _Loop:
    """A run in progress.

    Parameters
    ----------
    dataset : PairDataset
        Pairs of clips to train on.
    stepper : Stepper
        The encoder, with its optimizer, its settings and the processes.
    held_out : HeldOut
        Clips for Kendall's tau.
    files : RunFiles
        The run's folder.
    progress : bool
        Show progress on stderr.
    """

    def __init__(
        self,
        dataset: PairDataset,
        stepper: Stepper,
        held_out: HeldOut,
        files: RunFiles,
        progress: bool,
    ) -> None:
        self.dataset, self.stepper, self.held_out = dataset, stepper, held_out
        self.files, self.progress = files, progress
        self.encoder, self.settings, self.ranks = stepper.encoder, stepper.settings, stepper.ranks
        self.result = Result(files.run)
        self.result.skipped = dict.fromkeys(map(str, dataset.bad.values()), 0)

    def begin(self, resume: bool, title: str | None) -> None:
        """Start a new run, or continue from the newest checkpoint."""
        state = self.files.newest_state(resume)
        if title is not None and self.progress and not shows_bars():
            say(title)
        if state is not None:
            self._restore(state)
            return
        if self.held_out.clips:  # a damaged clip is found here, before there is a run
            self.result.tau_untrained = self._taus()
        self.files.begin()
        self.files.write_taus(0, self.result.tau_untrained)

    def _restore(self, state: dict[str, Any]) -> None:
        result, step = self.result, state["step"]
        result.steps = result.resumed_at = step
        result.seconds, result.tau_untrained = state["seconds"], state["tau_untrained"]
        result.skipped |= state["skipped"]
        measures_now = self._measures_after(step)
        self.files.restore(state, tau_follows=measures_now or step == self.settings.steps)
        if measures_now:  # a signal that ended the run left no time for it
            self._measure()

    def steps(self) -> None:
        """Train to the last step, or until a signal."""
        settings, ranks, result, stepper = self.settings, self.ranks, self.result, self.stepper
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
        seconds_before, start = result.seconds, time.perf_counter()
        stepper.train_mode()
        stepper.stopwatch.skip()
        with (
            bar,
            closing(cast(Generator, batches)),  # which ends the workers
            dropout_by_pair(self.encoder, stepper.dropout_masks),
            stop_on_signals() as stop,
        ):
            for parts, waited in batches:
                with threads_for(self.encoder, settings):
                    step = stepper.step(result.steps, parts, stop.signal != 0)
                numbers, stopping, skipped = step
                stepper.stopwatch.end_step(waited)
                for message in skipped:
                    if result.note_skipped(message) and ranks.first:
                        say(f"skipped: {message}")
                result.steps += 1
                result.seconds = seconds_before + time.perf_counter() - start
                bar.update()
                bar.set_postfix({name: f"{value:.4g}" for name, value in numbers.items()})
                if log is not None:
                    log.step(result.steps, numbers)
                seconds = round(result.seconds, 3)
                self.files.write_metrics(result.steps, **numbers, seconds=seconds)
                stopping = stopping and result.steps < settings.steps
                self._after_step(stopping)
                if stopping:
                    result.signal = stop.signal or signal.SIGTERM
                    break
        self.encoder.eval()
        result.milliseconds = stepper.stopwatch.milliseconds()
        if result.milliseconds:
            self.files.write_metrics(result.steps, milliseconds=result.milliseconds)

    def _after_step(self, stopping: bool) -> None:
        """Measure tau and save, where either is due."""
        steps = self.result.steps
        if self._measures_after(steps) and not stopping:
            self._measure()
            self.stepper.train_mode()
            self.stepper.stopwatch.skip()
        last = steps == self.settings.steps
        self.files.save_checkpoint_if_due(self.result, must=stopping or last)

    def _measures_after(self, steps: int) -> bool:
        """Whether tau is measured after this number of steps, before the end of training."""
        every = self.settings.evaluate_every
        due = every and steps % every == 0 and steps < self.settings.steps
        return bool(self.held_out.clips and due)

    def end(self) -> None:
        """Measure tau, unless the run was ended before its last step."""
        if self.held_out.clips and not self.result.interrupted:
            self.result.tau_trained = self._measure()

    def _taus(self) -> dict[str, float]:
        taus = self.held_out.taus(self.encoder)
        for message in self.held_out.bad.values():
            self.result.skipped.setdefault(message, 0)
        return taus

    def _measure(self) -> dict[str, float]:
        """Measure tau; with `evaluate_every`, save the encoder if it is the best so far."""
        taus = self._taus()
        self.files.write_taus(self.result.steps, taus)
        if taus and self.settings.evaluate_every:
            self.files.save_if_best(self.result.steps, taus)
        return taus
