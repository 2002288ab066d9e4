"""One frame at a time: pictures to feature maps or vectors."""

import torch
from torch import Tensor, nn

from tacref.encoder.group_norm import group_norm_relu, takes_kernel


class _Block(nn.Sequential):
    def __init__(self, channels_in: int, channels: int, kernel: int = 3) -> None:
        # Group normalization has no batch statistics, so training and inference compute the same.
        super().__init__(
            nn.Conv2d(channels_in, channels, kernel, stride=2, padding=kernel // 2, bias=False),
            nn.GroupNorm(8, channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        convolution, norm, relu = self
        x = convolution(x)
        # An export in float16 has a module of its own in the place of the normalization.
        if isinstance(norm, nn.GroupNorm) and takes_kernel(x, norm):
            return group_norm_relu(x, norm)
        out: Tensor = relu(norm(x))
        return out


class SmallBackbone(nn.Module):
    """Four strided convolutions and a linear layer, for training on a CPU.

    Positions matter in an activity, so the last feature map is flattened, not averaged.

    Parameters
    ----------
    size : int
        Side of the square pictures in pixels.
    width : int
        Length of the feature vector.
    """

    def __init__(self, size: int, width: int = 128) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.Sequential(
            _Block(3, 16, 5), _Block(16, 32), _Block(32, 64), _Block(64, 64)
        )
        side = size
        for _ in range(4):
            side = (side + 1) // 2
        self.linear = nn.Linear(64 * side * side, width)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map `(M, 3, size, size)` to `(M, width)`."""
        return self.linear(self.blocks(pixels).flatten(1))


class _Bottleneck(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(channels_in, 4 * channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(4 * channels),
            )
            if stride != 1 or channels_in != 4 * channels
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class ResNet50Backbone(nn.Module):
    """ResNet-50 up to conv4 (He et al. 2016), as the LAV paper uses it.

    The parameters have torchvision's names, so that its weight files can be loaded.
    """

    width = 1024

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, 3, stride=1)
        self.layer2 = _stage(256, 128, 4, stride=2)
        self.layer3 = _stage(512, 256, 6, stride=2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pixels: Tensor) -> Tensor:
        """Map `(M, 3, 224, 224)` to `(M, 1024, 14, 14)`."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(pixels))))
        return self.layer3(self.layer2(self.layer1(x)))

    def load_torchvision(self, weights: dict[str, Tensor], source: str) -> None:
        """Load the weights of a torchvision ResNet-50.

        Parameters
        ----------
        weights : dict
            State dict of the file. `layer4.*` and `fc.*`, which come after conv4, are left out;
            everything else must match exactly.
        source : str
            Name of the file, for messages.

        Raises
        ------
        ValueError
            If a parameter is missing, unknown, or of another shape or kind of number.
        """
        after_conv4 = ("layer4.", "fc.")
        loaded = {name: v for name, v in weights.items() if not name.startswith(after_conv4)}
        expected = self.state_dict()
        # Files from before torch 0.4.1 do not count batches.
        for name in set(expected) - set(loaded):
            if name.endswith("num_batches_tracked"):
                loaded[name] = expected[name]
        missing, unknown = sorted(set(expected) - set(loaded)), sorted(set(loaded) - set(expected))
        if missing or unknown:
            raise ValueError(
                f"{source}: not the weights of a torchvision ResNet-50: "
                f"{len(missing)} parameters missing {missing[:3]}, "
                f"{len(unknown)} unknown {unknown[:3]}"
            )
        for name, value in loaded.items():
            if value.shape != expected[name].shape:
                raise ValueError(
                    f"{source}: not the weights of a torchvision ResNet-50: {name} has shape "
                    f"{tuple(value.shape)}, expected {tuple(expected[name].shape)}"
                )
            if value.is_floating_point() != expected[name].is_floating_point():
                raise ValueError(
                    f"{source}: not the weights of a torchvision ResNet-50: {name} is "
                    f"{value.dtype}, expected {expected[name].dtype}"
                )
        self.load_state_dict(loaded)


def _stage(channels_in: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = _Bottleneck(channels_in, channels, stride)
    return nn.Sequential(
        first, *(_Bottleneck(4 * channels, channels, 1) for _ in range(blocks - 1))
    )


class Identity(nn.Module):
    """The backbone of the "features" encoder, whose frames are features already."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, features: Tensor) -> Tensor:
        """Map `(M, F)` to itself."""
        return features


def read_weights(path: str) -> dict[str, Tensor]:
    """Read a state dict from a `.safetensors` or torch file, never unpickling code.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file does not hold a plain dictionary of tensors.
    """
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            weights = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such weight file") from None
    except IsADirectoryError:
        raise ValueError(f"{path}: a folder, not a weight file") from None
    except Exception as error:  # torch, pickle and safetensors raise different errors
        raise ValueError(
            f"{path}: not a weight file that can be read without running code "
            f"({type(error).__name__})"
        ) from None
    if not isinstance(weights, dict) or not all(
        isinstance(value, Tensor) for value in weights.values()
    ):
        raise ValueError(f"{path}: not a dictionary of tensors")
    return weights
