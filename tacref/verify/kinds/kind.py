"""What a kind of loss must say about itself, for the report card to check functions of it."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np


class Spec(Protocol):
    """What a kind asks of `tacref.verify.spec.Spec`, which is made of kinds itself."""

    @property
    def inputs(self) -> str:
        """See there, as for all that follow."""
        ...

    @property
    def variant(self) -> str: ...  # noqa: D102

    @property
    def steps(self) -> str: ...  # noqa: D102

    @property
    def options(self) -> tuple[str, ...]: ...  # noqa: D102


class Problem(Protocol):
    """What a kind asks of `tacref.verify.problems.Problem`."""

    @property
    def spec(self) -> Spec:
        """See there, as for all that follow."""
        ...

    @property
    def options(self) -> dict[str, Any]: ...  # noqa: D102

    @property
    def shape(self) -> tuple[int, int]: ...  # noqa: D102

    @property
    def scale(self) -> float: ...  # noqa: D102

    @property
    def answer(self) -> "Answer": ...  # noqa: D102


# The value, and a gradient for each input that has one.
Answer = tuple[float, tuple[np.ndarray, ...]]
# A function, and the arguments of `tacref.verify.check`.
Implementation = tuple[Callable[..., Any], dict[str, Any]]

BACKENDS, BACKENDS_ON_CUDA = ("cpu", "torch"), ("triton", "torch")


class Option(NamedTuple):
    """A number that the loss takes: its default on the card, and the values that are tried.

    `other` is its value while other options are tried.
    """

    default: float
    tried: tuple[float, ...]
    other: float


class Term(NamedTuple):
    """A term of the loss, whose gradient must not be zero everywhere.

    It shows in the gradient to input `argument` of n x m frames with these options. With
    `without`, the gradient must differ from that with those options.
    """

    name: str
    argument: int
    shape: tuple[int, int]
    options: dict[str, Any]
    without: dict[str, Any] | None = None


GAMMA = Option(0.1, (0.03, 0.5, 1, 20.0), 0.7)


class Kind:
    """A kind of loss: a module of this package defines one, and `KINDS` lists it.

    Attributes
    ----------
    name : str
        As `--as` takes it.
    equation : str
        Where it is defined, for the title of a card.
    names : tuple of str
        Arguments of a function of embeddings.
    takes_costs : bool
        Whether a function may take a matrix of costs instead.
    has_gradients : bool
        Whether gradients are checked.
    options : dict of str to Option
        Numbers that a function must take by keyword.
    variants : tuple of str
        Names of its variants, the default first; empty if there is one form only.
    settings : tuple of dict
        Options of the first claim, at every shape.
    takes_steps, takes_band : bool
        Whether other steps of a path, and a band, make sense.
    framework : str
        What a function computes with, if it is not said.
    frameworks : tuple of str
        What it may compute with.
    long_frames : int
        Longest side of long sequences; more are too slow to compute twice.
    reader : str
        Name of the reader, in `READERS`, that makes a number of what the function returns; empty if
        it returns numbers.
    """

    name: str
    equation: str
    names: tuple[str, ...] = ("x", "y")
    takes_costs = False
    has_gradients = True
    options: ClassVar[dict[str, Option]] = {}
    variants: tuple[str, ...] = ()
    settings: tuple[dict[str, Any], ...] = ({},)
    takes_steps = False
    takes_band = False
    framework = "torch"
    frameworks: tuple[str, ...] = ("torch", "numpy", "jax")
    long_frames = 900
    reader = ""

    @property
    def single(self) -> bool:
        """Whether it is of one sequence, not of two."""
        return len(self.names) == 1

    def options_of(self, variant: str) -> dict[str, Option]:
        """Return the options of a variant."""
        return self.options

    def in_decimals(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """Return the right answer to 50 digits, rounded to float64."""
        raise NotImplementedError

    def in_wide_floats(
        self, spec: Spec, inputs: tuple[np.ndarray, ...], options: dict[str, Any]
    ) -> Answer:
        """Return the right answer computed in the widest floats of NumPy."""
        raise NotImplementedError

    def cells(self, spec: Spec, inputs: tuple[np.ndarray, ...]) -> int:
        """Return how many pairs of frames the answer is computed from."""
        return inputs[0].size if spec.inputs == "costs" else len(inputs[0]) * len(inputs[-1])

    def value_tolerance(self, problem: Problem, epsilon: float) -> float:
        """Return the allowed error of a value computed with this rounding unit."""
        raise NotImplementedError

    def gradient_tolerance(self, problem: Problem, epsilon: float) -> float:
        """Return the allowed error of each entry of a gradient."""
        raise NotImplementedError

    def terms(self) -> Iterator[Term]:
        """Yield the terms; by default one for each input that has a gradient."""
        for argument, name in enumerate(self.names):
            yield Term(f"gradient to {name}", argument, (3, 2), {})

    def draw_inputs(
        self, rng: np.random.Generator, n: int, m: int, d: int, spread: float
    ) -> list[np.ndarray] | None:
        """Return inputs of its own; by default None: costs, or embeddings."""
        return None

    def own(self, backends: tuple[str, ...] = BACKENDS) -> Iterator[Implementation]:
        """Yield tacref's implementations by these backends, each with the options to `check` it."""
        return iter(())


def largest_entry(answer: Answer) -> float:
    """Return the largest entry of the gradients, at least 1."""
    return max(1.0, *(float(np.abs(gradient).max()) for gradient in answer[1]))


def numpy_options(name: str, loss: str, **options: str) -> dict[str, Any]:
    """Return the options to check a NumPy function."""
    return {"name": name, "loss": loss, "framework": "numpy", **options}
