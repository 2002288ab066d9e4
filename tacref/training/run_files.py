"""What a run keeps in its folder: the encoder, checkpoints, the best encoder and metrics."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tacref.evaluation.labeled import mean_tau
from tacref.training.checkpoint import (
    BEST_FOLDER,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
    save_weights,
)
from tacref.training.metrics import Metrics
from tacref.training.result import Result
from tacref.training.step import Stepper


class RunFiles:
    """The files of a run, which the first process alone writes: in others, nothing is written.

    Parameters
    ----------
    run : Path
        The run's folder.
    stepper : Stepper
        The encoder, with its optimizer and settings.
    notes : mapping of str to JSON values
        Further values for config.json.
    data : mapping of str to int
        The data set, from `fingerprint`.

    Attributes
    ----------
    best_tau : float or None
        The highest mean tau on the held-out clips that was measured during training.
    """

    def __init__(
        self, run: Path, stepper: Stepper, notes: Mapping[str, Any], data: Mapping[str, int]
    ) -> None:
        self.run, self.data = run, dict(data)
        self.best_tau: float | None = None
        self._stepper, self._ranks = stepper, stepper.ranks
        self._config = {"training": stepper.settings.to_json(), **notes}
        self._metrics: Metrics | None = None
        self._saved_step, self._saved_time = 0, time.monotonic()

    def begin(self) -> None:
        """Make the folder of a new run, with the encoder and empty metrics."""
        if self._ranks.first:
            self.run.mkdir(parents=True, exist_ok=True)
            self.save_encoder(0)
            self._metrics = Metrics(self.run)

    def newest_state(self, resume: bool) -> dict[str, Any] | None:
        """Return the newest checkpoint that is whole, in every process; None without one.

        Parameters
        ----------
        resume : bool
            False for a new run. The first process decides: it alone knows whether torchrun
            restarted a run.

        Raises
        ------
        ValueError
            If it is of another encoder, other settings or other data, or only damaged ones exist.
        """
        newest = newest_checkpoint(self.run) if resume and self._ranks.first else None
        path = self._ranks.gather(newest)[0]
        if path is None:
            return None
        return load_checkpoint(
            path,
            encoder=self._stepper.encoder.config.to_json(),
            settings=self._stepper.settings.to_json(),
            data=self.data,
        )

    def restore(self, state: Mapping[str, Any], *, tau_follows: bool) -> None:
        """Continue from a checkpoint: load it, and drop metrics of later steps.

        Parameters
        ----------
        state : mapping
            From `newest_state`.
        tau_follows : bool
            True if tau is measured again after the step of the checkpoint.
        """
        stepper, step = self._stepper, state["step"]
        stepper.encoder.load_state_dict(state["model"])
        stepper.optimizer.load_state_dict(state["optimizer"])
        stepper.scaler.load_state_dict(state["scaler"])
        self.best_tau = state["best"]
        self._saved_step = step
        if self._ranks.first:
            self.save_encoder(step)  # a killed process may have left an older one

            def keep(line: Mapping[str, Any]) -> bool:
                measured_again = tau_follows and "tau" in line
                return line["step"] < step or (line["step"] == step and not measured_again)

            self._metrics = Metrics(self.run, keep, step)

    def write_metrics(self, step: int, **values: Any) -> None:
        """Write a line of metrics."""
        if self._metrics is not None:
            self._metrics.write(step, **values)

    def write_taus(self, step: int, taus: Mapping[str, float]) -> None:
        """Write tau by activity, if it was measured."""
        if taus:
            self.write_metrics(step, tau=dict(taus), mean_tau=mean_tau(taus))

    def save_if_best(self, step: int, taus: Mapping[str, float]) -> None:
        """Save the encoder to the folder of the best one, if no earlier tau was as high."""
        tau = mean_tau(taus)
        if self._ranks.first and (self.best_tau is None or tau > self.best_tau):
            self.best_tau = tau
            config = self._config | {"best": {"step": step, "mean_tau": tau}}
            save_weights(self._stepper.encoder, self.run / BEST_FOLDER, config)

    def save_encoder(self, step: int) -> None:
        """Save the encoder as it is after a step."""
        save_weights(self._stepper.encoder, self.run, self._config | {"step": step})

    def save_checkpoint_if_due(self, result: Result, *, must: bool) -> None:
        """Write a checkpoint and the encoder if the settings say that they are due, or if `must`.

        Parameters
        ----------
        result : Result
            The run so far.
        must : bool
            True after the last step, or where a signal ends the run.
        """
        settings = self._stepper.settings
        minutes = (time.monotonic() - self._saved_time) / 60
        due = minutes >= settings.save_minutes or result.steps % settings.save_every == 0
        if self._ranks.first and (must or due):
            if self._saved_step != result.steps:
                save_checkpoint(self.run, self._state(result), keep=settings.keep)
            self._saved_step, self._saved_time = result.steps, time.monotonic()
            self.save_encoder(result.steps)

    def _state(self, result: Result) -> dict[str, Any]:
        stepper = self._stepper
        return {
            "step": result.steps,
            "model": stepper.encoder.state_dict(),
            "optimizer": stepper.optimizer.state_dict(),
            "scaler": stepper.scaler.state_dict(),
            "encoder": stepper.encoder.config.to_json(),
            "settings": stepper.settings.to_json(),
            "data": self.data,
            "best": self.best_tau,
            "seconds": result.seconds,
            "tau_untrained": result.tau_untrained,
            "skipped": result.skipped,
        }

    def close(self) -> None:
        """Close the metrics."""
        if self._metrics is not None:
            self._metrics.close()
