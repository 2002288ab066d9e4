"""Heads: from the features of a frame's K context frames to one embedding."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class LinearHead(nn.Module):
    """Three fully connected layers on the K concatenated feature vectors.

    Our choice, not the paper's: with `centered`, the mean of the K vectors is subtracted from each
    first. This removes the look of a scene and keeps its changes; otherwise an encoder trained on
    few clips learns their looks instead of the time in them.

    Parameters
    ----------
    width : int
        Length of a frame's feature vector.
    context : int
        Number K of context frames.
    dim : int
        Length d of an embedding.
    hidden : int
        Width of the two hidden layers.
    dropout : float
        Share of hidden units dropped in training.
    centered : bool
        Whether to subtract the mean over the context, if that has more than one frame.
    """

    def __init__(
        self,
        width: int,
        context: int,
        dim: int,
        *,
        hidden: int = 256,
        dropout: float = 0.1,
        centered: bool = False,
    ) -> None:
        super().__init__()
        self.centered = centered and context > 1
        self.layers = nn.Sequential(
            nn.Linear(width * context, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, dim),
        )

    def forward(self, features: Tensor, windows: Tensor, whole_video: bool) -> Tensor:
        """Map the vectors `(M, width)` and windows `(N, K)` of them to `(N, d)`."""
        stack = features[windows]  # (N, K, width)
        if self.centered:
            stack = stack - stack.mean(1, keepdim=True)
        return self.layers(stack.flatten(1))


class ConvHead(nn.Module):
    """The LAV paper's head: 3-D convolutions over the context stack, global max pool, linear.

    Computed as 2-D convolutions, one per tap in time: those on the padding before the first and
    after the last context frame are left out, and those on a frame that several windows share are
    computed once.

    Parameters
    ----------
    width : int
        Channels of a frame's feature map.
    dim : int
        Length d of an embedding.
    hidden : int
        Width of all layers in between.
    """

    def __init__(self, width: int, dim: int, *, hidden: int = 512) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv3d(width, hidden, 3, padding=1),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv3d(hidden, hidden, 3, padding=1),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
        )
        self.layers = nn.Sequential(
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.1),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.1),
            nn.Linear(hidden, dim),
        )

    def forward(self, features: Tensor, windows: Tensor, whole_video: bool) -> Tensor:
        """Map the maps `(M, width, h, w)` and windows `(N, K)` of them to `(N, d)`."""
        first, second = self.convolutions[0], self.convolutions[3]
        assert isinstance(first, nn.Conv3d)
        assert isinstance(second, nn.Conv3d)
        K = windows.shape[1]
        # Convolutions: three a frame, or one for each tap of each window that is not padding.
        if K > 1 and (whole_video or 3 * len(features) < (3 * K - 2) * len(windows)):
            volume = _convolve_frames(first, features, windows)
        else:
            volume = _convolve_stack(first, features[windows])
        volume = self.convolutions[1:3](volume.flatten(0, 1)).unflatten(0, (-1, K))
        volume = _convolve_stack(second, volume)
        volume = self.convolutions[4:](volume.flatten(0, 1)).unflatten(0, (-1, K))
        return self.layers(volume.amax(dim=(1, 3, 4)))


def _convolve_stack(convolution: nn.Conv3d, stack: Tensor) -> Tensor:
    """Apply a padded 3x3x3 convolution to `(N, K, C, h, w)`: `(N, K, C', h, w)`."""
    K = stack.shape[1]
    planes = []
    for k in range(K):
        start, end = max(0, k - 1), min(K, k + 2)
        weight = convolution.weight[:, :, start - k + 1 : end - k + 1]  # (C', C, taps, 3, 3)
        planes.append(
            functional.conv2d(
                stack[:, start:end].flatten(1, 2),
                weight.transpose(1, 2).flatten(1, 2),
                convolution.bias,
                padding=1,
            )
        )
    return torch.stack(planes, 1)


def _convolve_frames(convolution: nn.Conv3d, features: Tensor, windows: Tensor) -> Tensor:
    """Do the same for windows `(N, K)` of the maps `(M, C, h, w)`; convolve each map once."""
    K = windows.shape[1]
    before, center, after = (
        functional.conv2d(features, convolution.weight[:, :, tap], bias, padding=1)
        for tap, bias in enumerate((None, convolution.bias, None))
    )
    planes = []
    for k in range(K):
        plane = center[windows[:, k]]
        if k > 0:
            plane = plane + before[windows[:, k - 1]]
        if k < K - 1:
            plane = plane + after[windows[:, k + 1]]
        planes.append(plane)
    return torch.stack(planes, 1)
