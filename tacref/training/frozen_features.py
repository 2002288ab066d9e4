"""Features of a frozen backbone: computed once for each clip and view, then read from a cache."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tacref.data import iter_frames
from tacref.data.augment import augment_pictures, augment_view
from tacref.data.cells import CellGrid
from tacref.data.feature_cache import FeatureCache, ViewFeatures, clip_digest
from tacref.encoder import Encoder
from tacref.encoder.frames import FrameError, check_features
from tacref.encoder.frozen.modules import FrozenBackbone, FrozenPictures
from tacref.encoder.frozen.runner import PICTURES_PER_RUN, check_gpu_output
from tacref.kernels.resize import crop_center, resize
from tacref.terminal import progress_bar
from tacref.training.distributed import Ranks
from tacref.training.log import say

_PICTURES_TO_COMPARE = 4  # on the GPU and on the CPU, before the GPU is used


@dataclass(frozen=True)
class Views:
    """The views of a clip of which features are computed.

    Parameters
    ----------
    count : int
        Views in addition to view 0, the clip unchanged.
    change : bool
        Whether they differ as much as the two views of a pair, or in mirroring and brightness only.
    """

    count: int
    change: bool

    def draw(self, pictures: np.ndarray, view: int, digest: str) -> np.ndarray:
        """Return some pictures `(T, size, size, 3)` of a clip as a view shows them.

        A clip's view is the same in every run, so that its features can be used again.
        """
        if view == 0:
            return pictures
        rng = np.random.default_rng([int(digest[:16], 16), view])
        return augment_view(pictures, rng) if self.change else augment_pictures(pictures, rng)


class FrozenFeatures:
    """Computes features of clips where a cache does not hold them.

    Parameters
    ----------
    encoder : Encoder
        With a frozen backbone and its file.
    cache : FeatureCache
        Holds the features.
    views : Views
        Of training clips; of held-out ones, view 0 alone is computed.
    ranks : Ranks
        The processes; each computes its share.
    device : str
        The torch device of this process. If it is a GPU, the backbone runs there, too, if
        onnxruntime can and gives what it gives on the CPU; a line says so, or why not.
    """

    def __init__(
        self,
        encoder: Encoder,
        cache: FeatureCache,
        views: Views,
        ranks: Ranks,
        device: str = "cpu",
    ) -> None:
        assert isinstance(encoder.preprocess, FrozenPictures)
        assert isinstance(encoder.backbone, FrozenBackbone)
        place = torch.device(device)
        # Its number until the backbone is opened there: not before a picture must go through it.
        self._gpu_to_try = (place.index or 0) if place.type == "cuda" else None
        self._pictures, self._backbone = encoder.preprocess, encoder.backbone
        self._cache, self._views, self._ranks = cache, views, ranks
        self.bad: dict[Path, str] = {}

    def of(
        self,
        lengths: dict[Path, int],
        held_out: Sequence[Path],
        *,
        skip: bool = False,
        progress: bool = False,
    ) -> ViewFeatures:
        """Return the features of all clips, and say how many were computed, and how long it took.

        Parameters
        ----------
        lengths : dict of Path to int
            Frames of each training clip.
        held_out : sequence of Path
            Held-out clips.
        skip : bool
            Leave out clips that cannot be read, and note why in `bad`; by default it is an error.
        progress : bool
            Show a progress bar (on a terminal only).

        Raises
        ------
        FileNotFoundError, ValueError
            If a clip cannot be read, or the features do not fit the bound of the cache.
        """
        self._check_room(sum(lengths.values()))
        start = time.perf_counter()
        clips = [*lengths, *(path for path in held_out if path not in lengths)]
        own = clips[self._ranks.rank :: self._ranks.world]

        def compute() -> tuple[dict[Path, list[Path]], dict[Path, str], int]:
            files, bad, computed = {}, {}, 0
            bar = progress_bar(own, "features", len(own), "clips", enabled=progress)
            for clip in bar:
                views = 1 + self._views.count if clip in lengths else 1
                try:
                    files[clip], new = self._of_clip(clip, views)
                except (ValueError, OSError) as error:
                    if not skip:
                        raise
                    bad[clip] = str(error)
                    continue
                computed += new
                if new:
                    self._cache.make_room({path for each in files.values() for path in each})
            return files, bad, computed

        on_cpu = self._backbone.runner
        try:
            shares = self._ranks.gather_results(compute)
        finally:
            self._backbone.runner = on_cpu  # what is on a GPU would take memory from training
        files = {clip: each for share, _, _ in shares for clip, each in share.items()}
        self.bad = {clip: reason for _, bad, _ in shares for clip, reason in bad.items()}
        if self._ranks.first:
            paths = [path for each in files.values() for path in each]
            computed = sum(new for _, _, new in shares)
            size = sum(path.stat().st_size for path in paths if path.exists())
            say(
                f"features of {len(files)} clips, {len(paths)} with their views: {computed} "
                f"computed in {time.perf_counter() - start:.0f} s, {len(paths) - computed} from "
                f"the cache; {size / 1e6:.0f} MB in {self._cache.folder}"
            )
        config = self._backbone.config
        return ViewFeatures(files, CellGrid(config.kept_cells, config.cells))

    def _check_room(self, frames: int) -> None:
        size = 2 * frames * self._backbone.config.kept_width * (1 + self._views.count)
        if size > self._cache.max_bytes:
            raise ValueError(
                f"features of {frames} frames in {1 + self._views.count} views take "
                f"{size / 1e9:.1f} GB, and feature_cache_gb allows "
                f"{self._cache.max_bytes / 1e9:g}; a lower backbone_grid or backbone_views takes "
                "less"
            )

    def _of_clip(self, clip: Path, views: int) -> tuple[list[Path], int]:
        """Return the files of a clip's views, and how many of them had to be computed."""
        digest = clip_digest(clip)
        paths = [self._cache.path(digest, **self._what(view)) for view in range(views)]
        missing = [view for view, path in enumerate(paths) if not self._is_whole(path)]
        if missing:
            rows: dict[int, list[np.ndarray]] = {view: [] for view in missing}
            for pictures in self._pictures_of(clip):
                for view in missing:
                    shown = self._views.draw(pictures, view, digest)
                    rows[view].append(self._run(shown))
            for view in missing:
                features = np.concatenate(rows[view])
                try:
                    check_features(features)
                except FrameError as error:
                    raise ValueError(f"{clip}: the backbone's {error}") from None
                self._cache.write(paths[view], features)
        return paths, len(missing)

    def _is_whole(self, path: Path) -> bool:
        return self._cache.holds(path, self._backbone.config.kept_width)

    def _what(self, view: int) -> dict[str, object]:
        """Return what a view's features depend on in addition to the clip."""
        change = self._views.change if view else False
        return {"backbone": self._backbone.config.to_json(), "view": view, "change": change}

    def _pictures_of(self, clip: Path) -> Iterator[np.ndarray]:
        """Yield a clip's pictures as the backbone takes them, a few at a time."""
        size, crops_from = self._pictures.size, self._pictures.crops_from
        chunk = []
        for frame, _ in iter_frames(clip):
            if crops_from is not None:
                frame = crop_center(frame, size, crops_from)
            chunk.append(resize(frame, size))
            if len(chunk) == PICTURES_PER_RUN:
                yield np.stack(chunk)
                chunk = []
        if chunk:
            yield np.stack(chunk)

    @torch.inference_mode()
    def _run(self, pictures: np.ndarray) -> np.ndarray:
        levels = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float()
        standardized = self._pictures.standardize(levels)
        if self._gpu_to_try is not None:
            gpu, self._gpu_to_try = self._gpu_to_try, None
            self._try_gpu(gpu, standardized[:_PICTURES_TO_COMPARE].numpy())
        output = self._backbone.run(standardized)
        features: np.ndarray = self._backbone.pool_kept(output).numpy()
        return features

    def _try_gpu(self, gpu: int, pictures: np.ndarray) -> None:
        """Run the backbone on a GPU from now on, or say why it stays on the CPU."""
        backbone = self._backbone
        assert backbone.file is not None
        assert backbone.runner is not None
        try:
            runner = backbone.file.open(backbone.config.output, gpu=gpu)
            check_gpu_output(runner, backbone.runner, pictures)
        except (ValueError, MemoryError) as error:
            say(f"the backbone runs on the CPU: {error}")
        else:
            backbone.runner = runner
            say(f"the backbone runs on cuda:{gpu}")
