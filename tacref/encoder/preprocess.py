"""From decoded frames to the input of a backbone, by operations that are the same everywhere."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from tacref.resizing import COLUMN_BITS, LEVEL_BITS, ROW_BITS

# Mean and deviation of the pictures on which published ResNet-50 weights were trained.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def true_along(line: Tensor) -> Tensor:
    """Return as many True as a line has entries, computed from the entries.

    onnxruntime computes on the CPU what depends only on shapes: a GPU would wait for the copy in
    each call, and a CUDA graph could not be captured.
    """
    positive = line > 0
    return positive | ~positive


def resize_weights(line: Tensor, size: int, bits: int, side: Tensor | None = None) -> Tensor:
    """Antialiased linear interpolation along one axis, as a matrix.

    Parameters
    ----------
    line : Tensor, shape (n,)
        Pixels; only their number matters. (A tensor, so that the length stays free in an exported
        graph.)
    size : int
        Length after resizing.
    bits : int
        Each row of weights sums to 2^bits.
    side : Tensor of int64, optional
        Number of pixels in the middle that are resized; the others get no weight. By default all.

    Returns
    -------
    Tensor of int64, shape (size, n)
        The weights that `tacref.resizing` defines.
    """
    numbers = true_along(line).to(torch.int64).cumsum(0)
    n = numbers[-1]
    if side is not None:
        numbers, n = numbers - (n - side) // 2, side
    target = (2 * torch.arange(size, device=line.device) + 1)[:, None] * n
    distance = ((2 * numbers - 1) * size - target).abs()
    part = (2 * n.clamp(min=size) - distance).clamp(min=0)
    if side is not None:
        part = part * ((numbers >= 1) & (numbers <= n)).to(torch.int64)
    part = part.cumsum(1)
    whole = part[:, -1:]
    # Halves are rounded towards the middle.
    share = 2 ** (bits + 1) * part + (whole - (2 * part > whole).to(torch.int64))
    share = share // (2 * whole)
    return share - torch.cat([torch.zeros_like(whole), share[:, :-1]], 1)


def _full_precision(device: str) -> AbstractContextManager[None]:
    # Autocast would round the weights.
    if torch.compiler.is_exporting() or not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)


def _weigh(weights: Tensor, bits: int) -> Tensor:
    # Divided by a power of two, float32 stays exact.
    return weights.to(torch.float32) * 2.0**-bits


class Pictures(nn.Module):
    """Resize to a square, scale to [0, 1] and standardize, channel by channel.

    The resized pictures are those of `tacref.resizing`, byte by byte, unless torch is set to
    round the factors of float32 products (`torch.set_float32_matmul_precision`).

    Parameters
    ----------
    size : int
        Side of the square in pixels. The aspect ratio is not kept, as in the LAV code.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Map uint8 RGB `(M, H, W, 3)` to float32 `(M, 3, size, size)`."""
        if self._takes_table(frames):
            return self._look_up(frames)
        return self._standardize(self.resize_all(frames))

    def _standardize(self, levels: Tensor) -> Tensor:
        return (levels / 255.0 - self.mean) / self.std

    def _takes_table(self, frames: Tensor) -> bool:
        return (
            self.training
            and frames.device.type == "cpu"
            and frames.dtype == torch.uint8
            and self._is_identity(frames)
            and not torch.compiler.is_compiling()
        )

    def _look_up(self, frames: Tensor) -> Tensor:
        """Standardize the 256 levels of each channel alone: the same bits, in one pass."""
        from tacref.kernels.views import look_up  # imports Numba

        levels = torch.arange(256, dtype=torch.float32)[:, None, None, None]
        table = self._standardize(levels.expand(-1, 3, -1, -1)).flatten(1)  # (256, 3)
        pixels = look_up(frames.contiguous().numpy(), table.numpy())
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def resize_all(self, frames: Tensor) -> Tensor:
        """Map uint8 RGB `(M, H, W, 3)` to whole levels, float32 `(M, 3, size, size)`."""
        if torch.compiler.is_exporting() or not self._is_identity(frames):
            with _full_precision(frames.device.type):
                return self._resize(frames)
        return frames.to(torch.float32).permute(0, 3, 1, 2)

    def _is_identity(self, frames: Tensor) -> bool:
        """Return whether both matrices of weights are the identity."""
        return frames.shape[1:3] == (self.size, self.size)

    def _weights(self, down: Tensor, across: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights of rows and columns, from one line of pixels along each axis."""
        return (
            resize_weights(down, self.size, ROW_BITS),
            resize_weights(across, self.size, COLUMN_BITS),
        )

    def _resize(self, frames: Tensor) -> Tensor:
        """Map to the bytes of `tacref.resizing`, as float32 `(M, 3, size, size)`."""
        # The smaller axis first, as onnxruntime copies the selection.
        down, across = frames.select(2, 0), frames.select(1, 0)
        rows, columns = self._weights(
            down.select(2, 0)[0].to(torch.float32), across.select(2, 0)[0].to(torch.float32)
        )
        pixels = frames.to(torch.float32)
        lines = _weigh(rows, ROW_BITS - LEVEL_BITS) @ pixels.flatten(2)  # (M, size, 3 W)
        lines = (lines + 0.5).floor().unflatten(2, (-1, 3)).permute(0, 3, 1, 2)  # (M, 3, size, W)
        return (lines @ _weigh(columns, COLUMN_BITS + LEVEL_BITS).T + 0.5).floor()


class Standardize(nn.Module):
    """Subtract the mean and divide by the deviation of each feature over the training set.

    Parameters
    ----------
    channels : int
        Numbers per frame, F.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    @torch.no_grad()
    def fit(self, clips: Iterable[np.ndarray]) -> np.ndarray:
        """Compute mean and deviation over all frames of clips `(T, F)`.

        Clip by clip (Chan et al. 1979), so that they need not all be in memory.

        Returns
        -------
        ndarray of float32, shape (F,)
            The deviations: 0 for a constant feature, which is then divided by 1.
        """
        count, mean, squares = 0, np.zeros(len(self.mean)), np.zeros(len(self.mean))
        for clip in clips:
            own = clip.mean(0, dtype=np.float64)
            step, total = own - mean, count + len(clip)
            squares += np.square(clip - own).sum(0) + step**2 * (count * len(clip) / total)
            mean += step * (len(clip) / total)
            count = total
        std = np.sqrt(squares / count)
        std[std <= 1e-6 * np.maximum(np.abs(mean), 1e-12)] = 0.0
        self.mean.copy_(torch.from_numpy(mean))
        self.std.copy_(torch.from_numpy(np.where(std == 0, 1.0, std)))
        return std.astype(np.float32)

    def forward(self, frames: Tensor) -> Tensor:
        """Map `(M, F)` to float32 `(M, F)`."""
        return (frames.to(torch.float32) - self.mean) / self.std
