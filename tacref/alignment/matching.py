"""How frames may be matched: what `align` takes in addition to embeddings and times."""

from collections.abc import Sequence
from typing import NamedTuple

from tacref.alignment.distances import check_cost
from tacref.checks import check_band_shape, check_positive
from tacref.ends import CLOSED, OpenEnds
from tacref.reach import check_steps_reach
from tacref.steps import check_steps


class Matching(NamedTuple):
    """Options of `align`: its cost, steps and band, by the same names."""

    cost: str = "sqeuclidean"
    steps: str | Sequence[Sequence[float]] = "any"
    band: float | None = None
    band_shape: str = "diagonal"
    band_seconds: float | None = None

    def check(self) -> None:
        """Refuse options that are wrong whatever the clips are.

        Raises
        ------
        ValueError
            If an option is out of range, or two do not fit each other.
        """
        check_cost(self.cost)
        check_steps(self.steps)
        check_band_shape(self.band_shape)
        if self.band_seconds is not None:
            check_positive(self.band_seconds, "band_seconds")
            if self.band is not None:
                raise ValueError(
                    f"only one of band and band_seconds may be passed, got {self.band!r} and "
                    f"{self.band_seconds!r}"
                )
            if self.band_shape != "diagonal":
                raise ValueError(
                    "band_seconds follows the line between the clips, which is band_shape "
                    f"'diagonal', got {self.band_shape!r}"
                )

    def check_lengths(self, n: int, m: int, open_ends: OpenEnds = CLOSED) -> None:
        """Refuse clips of n and m frames through which no path leads, as far as lengths tell.

        `open_ends` says where paths may begin and end.

        Raises
        ------
        ValueError
            If steps or band leave no path.
        """
        check_steps_reach(check_steps(self.steps), n, m, self.band, self.band_shape, open_ends)


ANY_MATCHING = Matching()
