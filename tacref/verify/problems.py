"""Problems with known answers: one item, its right answer, and the allowed errors."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tacref.verify.answers import Answer, right_answer
from tacref.verify.band_cells import OFFSET, has_path, inside
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
        Those of gamma, alpha, sigma and margin that the equation has; for (soft-)DTW possibly
        band, and cells, the name of the definition that says which cells it means; for
        Contrastive-IDM possibly times and video_length.
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
    def has_path(self) -> bool:
        """Whether there is a path inside the band, if there is one."""
        if self.options.get("band") is None:
            return True
        definition = self.options.get("cells", OFFSET)
        return has_path(inside(definition, *self.shape, self.options["band"]))

    @cached_property
    def scale(self) -> float:
        """Largest cost between frames, or a bound on the terms it is computed from."""
        if self.spec.inputs == "costs":
            return float(np.abs(self.inputs[0]).max())
        squares = [float((array**2).sum(1).max()) for array in self.inputs]
        return 2.0 * (squares[0] + squares[-1])

    def value_tolerance(self, epsilon: float) -> float:
        """Return the allowed error of a value computed with this rounding unit.

        Every step adds a rounding error of an accumulated cost: 16 eps (n+m)^2 (cost + gamma). For
        Contrastive-IDM, a sum of terms >= 0, it is 16 eps (n+m) times that sum.
        """
        tolerance, length = 0.0, sum(self.shape)
        if self.spec.loss != "contrastive_idm":
            gamma = self.options.get("gamma", 0.0)
            tolerance += 16 * epsilon * length**2 * (self.scale + 1.1 * gamma)
        if self.spec.loss in ("contrastive_idm", "lav"):
            tolerance += 16 * epsilon * length * (1.0 + abs(self.answer[0]))
        return tolerance

    def gradient_tolerance(self, epsilon: float) -> float:
        """Return the allowed error of the entries of a gradient computed with this rounding unit.

        The rounding error of an accumulated cost, divided by gamma, is the relative error of a
        softmin weight, and (n+m) weights are multiplied: 32 eps (n+m) (1 + (n+m) (cost + gamma) /
        gamma), times the largest gradient. For Contrastive-IDM: 64 eps (n+m) times the largest one.
        """
        length = sum(self.shape)
        largest = max(1.0, *(float(np.abs(gradient).max()) for gradient in self.answer[1]))
        if self.spec.loss == "contrastive_idm":
            return 64 * epsilon * length * largest
        gamma = self.options["gamma"]
        condition = length * (self.scale + 1.1 * gamma) / gamma
        return 32 * epsilon * length * (1 + condition) * largest

    def rounded(self, digits: int) -> "Problem":
        """Return the problem with rounded inputs, which are easier to read."""
        return self.with_inputs(tuple(np.round(array, digits) for array in self.inputs))

    def with_inputs(self, inputs: tuple[np.ndarray, ...]) -> "Problem":
        """Return the problem with other inputs."""
        return replace(self, inputs=inputs, origin="")
