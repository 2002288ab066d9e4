"""The published forms of Contrastive-IDM (equation 7): where they differ, and what suits each.

One entry of `VARIANTS` is all that the reference, the backends and training know of a form that is
made of these parts; `docs/equations.md` writes them out.
"""

import math
from typing import NamedTuple


class Regularization(NamedTuple):
    """Weight, window and margin of Contrastive-IDM."""

    alpha: float
    sigma: float
    margin: float


class Variant(NamedTuple):
    """A form of equation 7; by default its parts are the paper's.

    Attributes
    ----------
    defaults : Regularization
        What suits it by measurement, see docs/losses.md: the forms' terms differ in size by orders
        of magnitude.
    in_source_frames : bool
        Frames are counted in the source video, for the window, and in lengths of it for weights;
        else both count rows.
    near_weight_falls : bool
        Near pairs weigh 1 / (gap^2 + 1); else 1.
    far_weight_rises : bool
        Far pairs weigh gap^2 + 1; else 1 / (gap^2 + 1).
    of_roots : bool
        Distances are Euclidean; else squared.
    mean_over_pairs : bool
        The terms are averaged; else summed.
    lav_per_frame : bool
        The LAV loss is divided by the number of frames.
    """

    defaults: Regularization
    in_source_frames: bool = False
    near_weight_falls: bool = True
    far_weight_rises: bool = True
    of_roots: bool = False
    mean_over_pairs: bool = False
    lav_per_frame: bool = False


VARIANTS = {
    "paper": Variant(Regularization(alpha=0.02, sigma=8.0, margin=2.0)),
    # The authors' code.
    "official": Variant(
        Regularization(alpha=0.5, sigma=15.0, margin=2.0),
        in_source_frames=True,
        near_weight_falls=False,
        lav_per_frame=True,
    ),
    # As a garbled copy has it.
    "printed": Variant(Regularization(alpha=4.0, sigma=2.0, margin=2.0), far_weight_rises=False),
    # Meghanani & Hain, Interspeech 2024. Its margin is a distance: the root of 2 asks for the same
    # right angle as 2 in squared distance.
    "laser": Variant(
        Regularization(alpha=1.0, sigma=5.0, margin=math.sqrt(2.0)),
        of_roots=True,
        mean_over_pairs=True,
    ),
}
