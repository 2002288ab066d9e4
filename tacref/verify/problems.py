"""Problems with known answers: inputs away from kinks, what is right, and how near it must be."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

import numpy as np

from tacref.checks import check_variant
from tacref.verify import oracle

Loss = Literal["dtw", "soft_dtw", "contrastive_idm", "lav"]
Inputs = Literal["costs", "embeddings"]

LOSSES: tuple[Loss, ...] = ("dtw", "soft_dtw", "contrastive_idm", "lav")
DEFAULTS = {"gamma": 0.1, "alpha": 0.5, "sigma": 2.0, "margin": 2.0}
# No distance is drawn nearer to the margin or to 0; with many frames, some must be nearer.
CLEARANCE = 0.05
CLEARANCE_OF_MANY = 1e-6
# Small ones first, so that the first failure is a small one.
SHAPES = ((1, 1), (1, 3), (3, 1), (2, 2), (3, 4), (6, 5), (12, 9))
_ORACLE_CELLS = 1600


@dataclass(frozen=True)
class Spec:
    """Which equation a function claims to compute, and of what.

    Parameters
    ----------
    loss : {"dtw", "soft_dtw", "contrastive_idm", "lav"}
        The equation: 2, 4, 7 or 8. Of DTW only the value is checked.
    inputs : {"costs", "embeddings"}
        Whether (soft-)DTW takes costs `(B, n, m)`, or embeddings `(B, n, d)` and `(B, m, d)` with
        squared Euclidean costs. The other losses take embeddings.
    variant : {"paper", "official", "printed", "laser"}
        Of Contrastive-IDM.

    Raises
    ------
    ValueError
        If a name is unknown.
    """

    loss: Loss
    inputs: Inputs = "costs"
    variant: str = "paper"

    def __post_init__(self) -> None:
        """Check the names."""
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {self.loss!r}")
        if self.inputs not in ("costs", "embeddings"):
            raise ValueError(f"inputs must be costs or embeddings, got {self.inputs!r}")
        check_variant(self.variant)
        if self.loss in ("contrastive_idm", "lav"):
            object.__setattr__(self, "inputs", "embeddings")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arguments."""
        if self.loss == "contrastive_idm":
            return ("x",)
        return ("D",) if self.inputs == "costs" else ("x", "y")

    @property
    def gradients(self) -> tuple[str, ...]:
        """Names of the arguments that are differentiated."""
        return () if self.loss == "dtw" else self.names

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that the function must take."""
        return {
            "dtw": (),
            "soft_dtw": ("gamma",),
            "contrastive_idm": ("sigma", "margin"),
            "lav": ("gamma", "alpha", "sigma", "margin"),
        }[self.loss]


@dataclass(frozen=True)
class Problem:
    """One input and all that is known of it.

    Parameters
    ----------
    spec : Spec
        The equation.
    inputs : tuple of ndarray of float64
        Costs, or one or two embeddings.
    options : dict of str to float
        gamma, alpha, sigma, margin, as far as the equation has them; for soft-DTW perhaps band,
        for Contrastive-IDM perhaps times and video_length.
    origin : str
        Code that makes the inputs again, where they were drawn.
    """

    spec: Spec
    inputs: tuple[np.ndarray, ...]
    options: dict[str, Any] = field(default_factory=dict)
    origin: str = ""

    @cached_property
    def answer(self) -> tuple[float, tuple[np.ndarray, ...]]:
        """Value and gradients: to 50 digits where that is quick, else by the reference."""
        if self.cells <= _ORACLE_CELLS:
            with oracle.working():
                return self._by_oracle()
        return self._by_reference()

    @property
    def has_path(self) -> bool:
        """Whether the band, if there is one, leaves a path."""
        n, m = (
            self.inputs[0].shape
            if self.spec.inputs == "costs"
            else (len(self.inputs[0]), len(self.inputs[-1]))
        )
        return abs(n - m) <= self.options.get("band", n + m)

    @property
    def cells(self) -> int:
        """Number of pairs of frames."""
        first, last = self.inputs[0], self.inputs[-1]
        return first.size if self.spec.inputs == "costs" else len(first) * len(last)

    @property
    def length(self) -> int:
        """Number of frames of both sequences together, which is how errors add up."""
        first, last = self.inputs[0], self.inputs[-1]
        return sum(first.shape) if self.spec.inputs == "costs" else len(first) + len(last)

    @property
    def scale(self) -> float:
        """Largest cost between frames."""
        if self.spec.inputs == "costs":
            return float(np.abs(self.inputs[0]).max())
        first, last = self.inputs[0], self.inputs[-1]
        return float(max(((u - last) ** 2).sum(1).max() for u in first))

    def value_tolerance(self, epsilon: float) -> float:
        """Return the allowed error of the value, computed with this rounding unit.

        Every step adds a rounding of an accumulated cost: 16 eps (n+m)^2 (cost + gamma), and for
        Contrastive-IDM, a sum of terms >= 0, 16 eps (n+m) times that sum.
        """
        tolerance = 0.0
        if self.spec.loss != "contrastive_idm":
            steps = self.length**2
            tolerance += 16 * epsilon * steps * (self.scale + 1.1 * self.options.get("gamma", 0.0))
        if self.spec.loss in ("contrastive_idm", "lav"):
            tolerance += 16 * epsilon * self.length * (1.0 + abs(self.answer[0]))
        return tolerance

    def gradient_tolerance(self, epsilon: float) -> float:
        """Return the allowed error of a gradient's entries, computed with this rounding unit.

        The rounding of an accumulated cost, over gamma, is the relative error of a softmin
        weight, and (n+m) weights are multiplied: 32 eps (n+m) (1 + (n+m) (cost + gamma) / gamma);
        to embeddings times the largest gradient; for Contrastive-IDM 64 eps times that.
        """
        largest = max(1.0, *(float(np.abs(gradient).max()) for gradient in self.answer[1]))
        if self.spec.loss == "contrastive_idm":
            return 64 * epsilon * self.length * largest
        gamma = self.options["gamma"]
        condition = self.length * (self.scale + 1.1 * gamma) / gamma
        return 32 * epsilon * self.length * (1 + condition) * largest

    def rounded(self, digits: int) -> "Problem":
        """Return the problem with its inputs rounded, for a reader's sake."""
        inputs = tuple(np.round(array, digits) for array in self.inputs)
        return replace(self, inputs=inputs, origin="")

    def _by_oracle(self) -> tuple[float, tuple[np.ndarray, ...]]:
        arrays = [oracle.exactly(array) for array in self.inputs]
        options = {name: Decimal(float(self.options[name])) for name in self.spec.options}
        band = self.options.get("band")
        gradients: tuple[oracle.Matrix, ...]
        if self.spec.loss == "contrastive_idm":
            value, *rest = oracle.contrastive_idm(
                arrays[0],
                options["sigma"],
                options["margin"],
                self.spec.variant,
                self.options.get("times"),
                self.options.get("video_length"),
            )
            gradients = tuple(rest)
        elif self.spec.loss == "lav":
            value, *rest = oracle.lav(
                arrays[0],
                arrays[1],
                options["gamma"],
                options["alpha"],
                options["sigma"],
                options["margin"],
                self.spec.variant,
            )
            gradients = tuple(rest)
        elif self.spec.loss == "dtw":
            costs = arrays[0] if self.spec.inputs == "costs" else oracle.squared_distances(*arrays)
            value, gradients = oracle.dtw(costs), ()
        elif self.spec.inputs == "costs":
            value, E = oracle.soft_dtw(arrays[0], options["gamma"], band)
            gradients = (E,)
        else:
            value, E = oracle.soft_dtw(oracle.squared_distances(*arrays), options["gamma"], band)
            gradients = oracle.to_embeddings(E, *arrays)
        return float(value), tuple(oracle.rounded(gradient) for gradient in gradients)

    def _by_reference(self) -> tuple[float, tuple[np.ndarray, ...]]:
        from tacref import reference
        from tacref.reference.costs import embedding_gradients

        if self.spec.loss == "lav":
            value, *rest = reference.lav_loss_value_and_grad(
                *self.inputs, variant=self.spec.variant, **self.options
            )
            return value, tuple(rest)
        if self.spec.loss == "contrastive_idm":
            value, gradient = contrastive_idm_of_embeddings(
                self.inputs[0], variant=self.spec.variant, **self.options
            )
            return value, (gradient,)
        of_costs = self.spec.inputs == "costs"
        D = self.inputs[0] if of_costs else reference.cost_matrix(*self.inputs)
        if self.spec.loss == "dtw":
            return reference.dtw(D), ()
        value, E = reference.soft_dtw_value_and_grad(D, **self.options)
        if of_costs:
            return value, (E,)
        x, y = self.inputs
        return value, embedding_gradients(x, y, E)


def contrastive_idm_of_embeddings(x: np.ndarray, **options: Any) -> tuple[float, np.ndarray]:
    """Return the reference's Contrastive-IDM and its gradient with respect to embeddings."""
    from tacref import reference
    from tacref.reference.costs import embedding_gradients

    x = np.asarray(x, np.float64)
    value, G = reference.contrastive_idm_value_and_grad(reference.cost_matrix(x, x), **options)
    first, second = embedding_gradients(x, x, G)  # x_i stands in a row and in a column
    return value, first + second


def draw(
    spec: Spec,
    seed: Sequence[int],
    n: int,
    m: int,
    *,
    d: int = 3,
    scale: float = 1.0,
    dtype: type = np.float64,
    **options: float,
) -> Problem:
    """Draw a problem.

    Parameters
    ----------
    spec : Spec
        The equation.
    seed : sequence of int
        The same numbers give the same problem.
    n, m : int
        Frames of the two sequences.
    d : int
        Length of an embedding.
    scale : float
        Size of the costs.
    dtype : type
        Inputs are drawn so that this type holds them without rounding.
    **options
        Other values than `DEFAULTS`.

    Returns
    -------
    Problem
        For Contrastive-IDM, no distance lies within `CLEARANCE` of the margin, where it has a
        kink, nor of 0.
    """
    rng = np.random.default_rng(list(seed))
    given = {name: {**DEFAULTS, **options}[name] for name in spec.options}
    origin = (
        f"draw({spec!r}, {list(seed)}, {n}, {m}, d={d}, scale={scale}, "
        f"dtype=np.{dtype.__name__}).inputs"
    )
    if spec.inputs == "costs":
        costs = scale * rng.uniform(0.05, 1.0, (n, m))
        return Problem(spec, (costs.astype(dtype).astype(np.float64),), given, origin)
    lengths = (n,) if spec.loss == "contrastive_idm" else (n, m)
    spread = float(np.sqrt(scale / d))
    margin = given.get("margin")
    inputs = tuple(_rows(rng, length, d, spread, margin, dtype) for length in lengths)
    return Problem(spec, inputs, given, origin)


def _rows(
    rng: np.random.Generator, length: int, d: int, spread: float, margin: float | None, dtype: type
) -> np.ndarray:
    """Draw embeddings; with a margin, anew until no distance is 0 or at it, squared or not."""

    def rows(count: int) -> np.ndarray:
        drawn = np.asarray(spread * rng.normal(size=(count, d)))
        return drawn.astype(dtype).astype(np.float64)

    x = rows(length)
    clearance = CLEARANCE if length <= max(max(shape) for shape in SHAPES) else CLEARANCE_OF_MANY
    while margin is not None:
        squared = ((x[:, None] - x) ** 2).sum(-1)
        apart = squared + np.where(np.eye(length), np.inf, 0.0)
        near = (apart < clearance) | (np.abs(apart - margin) < clearance)
        near |= np.abs(np.sqrt(apart) - margin) < clearance
        moving = np.unique(np.argwhere(near)[:, 0])[:1]
        if not len(moving):
            break
        x[moving] = rows(len(moving))
    return x
