"""The path of DTW: any of the cheapest ones, and possibly its cost."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tacref.verify.kinds.dtw import DTW
from tacref.verify.kinds.kind import BACKENDS, Implementation, numpy_options


class DTWPath(DTW):
    """Equation 1: what the path that is returned costs is the least cost of a path."""

    name = "dtw_path"
    equation = "equations 1 and 2"
    framework = "numpy"
    frameworks = ("numpy",)
    reader = "cost_of_path"

    def own(self, backends: tuple[str, ...] = BACKENDS) -> Iterator[Implementation]:
        """See `Kind`."""
        from tacref import alignment

        yield _path_of_costs, numpy_options("reference.dtw and dtw_path", self.name)
        yield alignment.dtw_path, numpy_options("alignment.dtw_path", self.name)


def _path_of_costs(
    D: np.ndarray, *, steps: str = "any", band: int | None = None, band_shape: str = "diagonal"
) -> tuple[float, np.ndarray]:
    """Return the value with the path, for the card to compare them."""
    from tacref import reference

    options: dict[str, Any] = {"steps": steps, "band": band, "band_shape": band_shape}
    return reference.dtw(D, **options), reference.dtw_path(D, **options)


KIND = DTWPath()
