"""One side of a pair from features that were computed before, instead of from pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tacref.data.augment import stretch_offsets
from tacref.data.cache import ClipIndex
from tacref.data.cells import WHOLE, draw_crop
from tacref.data.clips import Clip
from tacref.data.feature_cache import ViewFeatures
from tacref.data.sampling import context_windows, segment_uniform
from tacref.data.sides import Side


class FeatureSideReader:
    """Draws frames of clips, and views of which there are features, as `SideReader` reads pictures.

    Parameters
    ----------
    features : ViewFeatures
        Of all clips.
    indices : dict of Path to ClipIndex
        Of all clips.
    offsets : sequence of int
        Context frames relative to each frame.
    frames : int
        Frames N to draw from a clip.
    views : int
        Views of each clip to draw.
    augment : bool
        Whether to draw among all views, and of two views each, offsets as at another speed and
        parts of the pictures; else view 0 is taken as it is.
    """

    def __init__(
        self,
        features: ViewFeatures,
        indices: dict[Path, ClipIndex],
        *,
        offsets: Sequence[int],
        frames: int,
        views: int,
        augment: bool,
    ) -> None:
        self.features, self.indices = features, indices
        self.offsets, self.frames = np.asarray(offsets), frames
        self.views, self.augment = views, augment

    def read(self, clip: Clip, rng: np.random.Generator) -> list[Side]:
        """Draw frames of a clip, one side for each view.

        Raises
        ------
        ValueError
            If features cannot be read.
        """
        length = self.indices[clip.path].length
        sides = []
        for view in self._draw_views(clip, rng):
            times = segment_uniform(length, self.frames, rng)
            offsets, crop = self.offsets, WHOLE
            if self.views > 1 and self.augment:
                offsets = stretch_offsets(offsets, self.frames, rng)
                crop = draw_crop(rng)
            context = context_windows(times, offsets, length)
            distinct, windows = np.unique(context, return_inverse=True)
            rows = self.features.load(clip.path, view, frames=distinct, crop=crop)
            sides.append(Side(clip, rows, windows.reshape(context.shape), times, length))
        return sides

    def _draw_views(self, clip: Clip, rng: np.random.Generator) -> list[int]:
        stored = self.features.views(clip.path)
        if not self.augment:
            return [0] * self.views
        return rng.choice(stored, self.views, replace=stored < self.views).tolist()
