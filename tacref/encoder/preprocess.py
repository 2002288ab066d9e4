"""From decoded frames to what a backbone takes, in operations that mean the same everywhere."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

# Means and deviations of the pictures that published ResNet-50 weights were trained on.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def true_along(line: Tensor) -> Tensor:
    """Return as many True as a line has entries, by looking at these.

    What can be told from shapes alone, onnxruntime computes on the CPU: a GPU would wait for it to
    be copied on each call, and a CUDA graph could not be captured.
    """
    positive = line > 0
    return positive | ~positive


def resize_weights(line: Tensor, size: int) -> Tensor:
    """Antialiased linear interpolation along one axis, as a matrix.

    The triangle filter of Pillow's BILINEAR and of torch's `interpolate(antialias=True)`,
    written as a matrix so that the exported graph resizes exactly as training did.

    Parameters
    ----------
    line : Tensor, shape (n,)
        Pixels, of which only the length counts. (Not a number, so that the length stays free in an
        exported graph.)
    size : int
        Length after resizing.

    Returns
    -------
    Tensor of float32, shape (size, n)
        Each row sums to 1.
    """
    ones = true_along(line).to(torch.float32)
    source = ones.cumsum(0) - 0.5  # centers of the source pixels
    scale = ones.sum() / size
    target = (torch.arange(size, dtype=torch.float32, device=line.device) + 0.5) * scale
    distance = (source - target[:, None]).abs() / scale.clamp(min=1.0)
    weights = (1.0 - distance).clamp(min=0.0)
    return weights / weights.sum(1, keepdim=True)


class Pictures(nn.Module):
    """Resize to a square, scale to [0, 1] and standardize, channel by channel.

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
        pixels = frames.to(torch.float32).permute(0, 3, 1, 2) / 255.0
        # At the right size already, both matrices are the identity.
        if torch.compiler.is_exporting() or frames.shape[1:3] != (self.size, self.size):
            rows = resize_weights(pixels[0, 0, :, 0], self.size)  # (size, H)
            columns = resize_weights(pixels[0, 0, 0, :], self.size)  # (size, W)
            pixels = rows @ pixels @ columns.T
        return (pixels - self.mean) / self.std


class Standardize(nn.Module):
    """Subtract the mean and divide by the deviation of each feature over the training set.

    Parameters
    ----------
    channels : int
        Numbers a frame, F.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    @torch.no_grad()
    def fit(self, clips: Iterable[np.ndarray]) -> None:
        """Take mean and deviation over all frames of clips `(T, F)`; a constant keeps deviation 1.

        Clip by clip (Chan et al. 1979), so that they need not all be in memory.
        """
        count, mean, squares = 0, np.zeros(len(self.mean)), np.zeros(len(self.mean))
        for clip in clips:
            own = clip.mean(0, dtype=np.float64)
            step, total = own - mean, count + len(clip)
            squares += np.square(clip - own).sum(0) + step**2 * (count * len(clip) / total)
            mean += step * (len(clip) / total)
            count = total
        std = np.sqrt(squares / count)
        std[std <= 1e-6 * np.maximum(np.abs(mean), 1e-12)] = 1.0
        self.mean.copy_(torch.from_numpy(mean))
        self.std.copy_(torch.from_numpy(std))

    def forward(self, frames: Tensor) -> Tensor:
        """Map `(M, F)` to float32 `(M, F)`."""
        return (frames.to(torch.float32) - self.mean) / self.std
