"""A frame and its context: a stack of K features to one embedding."""

from torch import Tensor, nn


class LinearHead(nn.Module):
    """Three fully connected layers on the K feature vectors side by side.

    Our choice, not the paper's: with `centered`, the mean of the K vectors is subtracted from each
    first. What a scene looks like is then gone and what changes in it stays, without which few
    clips teach an encoder their looks and not their time.

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
        Subtract the mean over the context; a context of one frame is left as it is.
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

    def forward(self, stack: Tensor) -> Tensor:
        """Map `(N, K, width)` to `(N, d)`."""
        if self.centered:
            stack = stack - stack.mean(1, keepdim=True)
        return self.layers(stack.flatten(1))


class ConvHead(nn.Module):
    """The LAV paper's head: 3-D convolutions over the context stack, global max pool, linear.

    Parameters
    ----------
    width : int
        Channels of a frame's feature map.
    dim : int
        Length d of an embedding.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv3d(width, 512, 3, padding=1),
            nn.BatchNorm3d(512),
            nn.ReLU(inplace=True),
            nn.Conv3d(512, 512, 3, padding=1),
            nn.BatchNorm3d(512),
            nn.ReLU(inplace=True),
        )
        self.layers = nn.Sequential(
            nn.Linear(512, 512),
            nn.ReLU(inplace=True),
            nn.Dropout(0.1),
            nn.Linear(512, 512),
            nn.ReLU(inplace=True),
            nn.Dropout(0.1),
            nn.Linear(512, dim),
        )

    def forward(self, stack: Tensor) -> Tensor:
        """Map `(N, K, width, h, w)` to `(N, d)`."""
        volume = self.convolutions(stack.transpose(1, 2))  # (N, 512, K, h, w)
        return self.layers(volume.amax(dim=(2, 3, 4)))
