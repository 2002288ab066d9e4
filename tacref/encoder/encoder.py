"""The encoder f_theta: preprocessing, backbone for each frame, head over the context, unit norm."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tacref.encoder.backbones import read_weights
from tacref.encoder.chunked import in_chunks
from tacref.encoder.config import EncoderConfig
from tacref.encoder.frames import check_embeddings
from tacref.encoder.frozen.modules import FrozenBackbone, FrozenHead
from tacref.encoder.registry import ENCODERS, Shape
from tacref.encoder.weights import check_finite
from tacref.memory import memory_errors


class Encoder(nn.Module):
    """Maps the frames of a video to one L2-normalized embedding per frame.

    Parameters
    ----------
    config : EncoderConfig
        The architecture.

    Attributes
    ----------
    chunk : int
        In training, this many frames at a time go through preprocessing and backbone, which must
        treat each frame by itself; 0 for all at once.
    chunk_threads : int
        Threads that share these chunks.
    """

    offsets: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config, self.chunk, self.chunk_threads = config, 0, 1
        self.register_buffer("offsets", torch.tensor(config.offsets), persistent=False)
        shape = Shape(
            config.size, config.channels, len(config.offsets), config.dim, config.backbone
        )
        self.preprocess, self.backbone, self.head = config.kind.build(shape)

    def forward(self, frames: Tensor, windows: Tensor | None = None) -> Tensor:
        """Embed frames with their context.

        Parameters
        ----------
        frames : Tensor, shape (M, H, W, 3) of uint8 or (M, F) of float32
            Pictures as decoded (RGB), or feature rows. Each goes through the backbone once. With a
            frozen backbone, float32 rows are its features, computed earlier.
        windows : Tensor of int64, shape (..., K), optional
            Context frames of each embedding to compute, as indices into `frames`. By default
            `frames` is one video, and all its frames are embedded.

        Returns
        -------
        Tensor of float32, shape (..., d)
            Rows of unit length; shape (M, d) without `windows`.
        """
        computed = self.config.backbone is not None and frames.is_floating_point()
        # (M, width) or (M, width, h, w)
        features = frames if computed else self._features(frames)
        whole_video = windows is None
        if windows is None:
            positions = torch.ones_like(frames.flatten(1)[:, 0], dtype=torch.int64).cumsum(0)
            # Positions count from 1 to M; the first and the last frame are repeated at the ends.
            windows = (positions[:, None] + self.offsets).clamp(min=1) - 1
            windows = torch.minimum(windows, positions[-1] - 1)
        rows = windows.reshape(-1, windows.shape[-1])  # (N, K)
        embeddings = functional.normalize(self.head(features, rows, whole_video), dim=-1)
        return embeddings.reshape(*windows.shape[:-1], -1)

    def _features(self, frames: Tensor) -> Tensor:
        def compute(frames: Tensor) -> Tensor:
            rows: Tensor = self.backbone(self.preprocess(frames))
            return rows

        if self.chunk and self.training and torch.is_grad_enabled():
            return in_chunks(
                compute,
                frames,
                self.backbone.parameters(),
                size=self.chunk,
                threads=self.chunk_threads,
            )
        return compute(frames)

    def take_fixed_parts(self, other: "Encoder") -> None:
        """Take from an encoder of the same architecture what training does not change.

        That is the statistics that standardize features, and the file of a frozen backbone.
        """
        self.preprocess.load_state_dict(other.preprocess.state_dict())
        if isinstance(self.head, FrozenHead) and isinstance(other.head, FrozenHead):
            self.head.standardize.load_state_dict(other.head.standardize.state_dict())
        ours, theirs = self.backbone, other.backbone
        if isinstance(ours, FrozenBackbone) and isinstance(theirs, FrozenBackbone) and theirs.file:
            ours.attach(theirs.file, theirs.runner)

    def embed(self, frames: np.ndarray) -> np.ndarray:
        """Embed one video, in evaluation mode, on the encoder's device.

        Parameters
        ----------
        frames : ndarray, shape (T, H, W, 3) of uint8 or (T, F) of float32
            One whole video.

        Returns
        -------
        ndarray of float32, shape (T, d)
            One unit vector per frame.

        Raises
        ------
        ValueError
            If `frames` does not fit the encoder, or an embedding is not of unit length; names the
            frame.
        MemoryError
            If torch cannot allocate enough memory.
        """
        array = self.config.as_frames(frames)
        if self.config.squeezes_pictures and self.offsets.device.type == "cpu":
            from tacref.kernels.resize import resize_all  # imports Numba

            # The same bytes as the encoder's own, and much faster than products of matrices.
            array = resize_all(array, self.config.size)
        return self._embed(array)

    def embed_features(self, features: np.ndarray) -> np.ndarray:
        """Embed one video from the features of a frozen backbone, as `embed` from its frames.

        Parameters
        ----------
        features : ndarray of float32, shape (T, F)
            What the backbone gives for each frame.

        Returns
        -------
        ndarray of float32, shape (T, d)
            One unit vector per frame.

        Raises
        ------
        ValueError
            If an embedding is not of unit length; names the frame.
        MemoryError
            If torch cannot allocate enough memory.
        """
        return self._embed(features)

    @torch.inference_mode()
    def _embed(self, array: np.ndarray) -> np.ndarray:
        training = self.training
        self.eval()
        try:
            with memory_errors(f"frames of shape {array.shape}"):
                rows = self(torch.from_numpy(array).to(self.offsets.device)).cpu().numpy()
        finally:
            self.train(training)
        check_embeddings(rows)
        return rows


def build_encoder(config: EncoderConfig, *, seed: int = 0, weights: str | None = None) -> Encoder:
    """Build an untrained encoder, the same for the same seed.

    Parameters
    ----------
    config : EncoderConfig
        The architecture.
    seed : int
        Seed of the initial weights. The global random state does not change.
    weights : str, optional
        A weight file for the backbone; torchvision's of ResNet-50 for "resnet50".

    Raises
    ------
    ValueError
        If `weights` is given for another encoder, does not fit or is not finite.
    """
    load = config.kind.load_weights
    if weights is not None and load is None:
        takers = " or ".join(name for name, kind in ENCODERS.items() if kind.load_weights)
        raise ValueError(f"weights are for the {takers} encoder, not for {config.name!r}")
    state = read_weights(weights) if weights is not None else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = Encoder(config)
    if state is not None and weights is not None and load is not None:
        check_finite(state, weights)
        load(encoder.backbone, state, weights)
    return encoder
