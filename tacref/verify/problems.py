"""Problems with known answers: one item, its right answer, and the allowed errors."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tacref.verify.answers import Answer, right_answer
from tacref.verify.band_cells import cells_inside
from tacref.verify.path_oracle import has_path
from tacref.verify.spec import Spec


@dataclass(frozen=True)
class Problem:
    """One item of a batch, with its right answer.

    Parameters
    ----------
    spec : Spec
        The equation.
    inputs : tuple of ndarray of float64
        Costs, or one or two embeddings.
    options : dict of str to float
        Numbers that the equation has; for paths possibly steps, band, and band_shape, as they are
        passed to the function, or cells, the name of the definition that says which cells the band
        means; for Contrastive-IDM possibly times and video_length.
    origin : str
        Code that draws the inputs again; empty if they were not drawn.
    """

    spec: Spec
    inputs: tuple[np.ndarray, ...]
    options: dict[str, Any] = field(default_factory=dict)
    origin: str = ""

    @cached_property
    def answer(self) -> Answer:
        """Value and gradients."""
        return right_answer(self.spec, self.inputs, self.options)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of frames of the two sequences; of a single one, twice."""
        if self.spec.inputs == "costs":
            n, m = self.inputs[0].shape
            return n, m
        return len(self.inputs[0]), len(self.inputs[-1])

    @property
    def steps(self) -> str:
        """Steps of a path: those that are asked for, or else those of the equation."""
        return str(self.options.get("steps", self.spec.steps))

    @property
    def has_path(self) -> bool:
        """Whether a path by the steps fits into the band, where there are such."""
        steps, inside = self.steps, cells_inside(*self.shape, self.options)
        return (steps == "any" and inside is None) or has_path(steps, *self.shape, inside)

    @cached_property
    def scale(self) -> float:
        """Largest cost between frames, or a bound on the terms it is computed from."""
        if self.spec.inputs == "costs":
            return float(np.abs(self.inputs[0]).max())
        squares = [float((array**2).sum(1).max()) for array in self.inputs]
        return 2.0 * (squares[0] + squares[-1])

    def value_tolerance(self, epsilon: float) -> float:
        """Return the allowed error of a value computed with this rounding unit."""
        return self.spec.kind.value_tolerance(self, epsilon)

    def gradient_tolerance(self, epsilon: float) -> float:
        """Return the allowed error of each entry of a gradient."""
        return self.spec.kind.gradient_tolerance(self, epsilon)

    def rounded(self, digits: int) -> "Problem":
        """Return the problem with rounded inputs, which are easier to read."""
        return self.with_inputs(tuple(np.round(array, digits) for array in self.inputs))

    def with_inputs(self, inputs: tuple[np.ndarray, ...]) -> "Problem":
        """Return the problem with other inputs."""
        return replace(self, inputs=inputs, origin="")
