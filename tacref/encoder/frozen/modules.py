"""A frozen backbone as part of an encoder: pictures for it, its features, the head on them."""

import torch
from torch import Tensor, nn

from tacref.data.cells import cell_averages
from tacref.encoder.frozen.config import BackboneConfig
from tacref.encoder.frozen.model import BackboneFile
from tacref.encoder.frozen.runner import BackboneRunner
from tacref.encoder.heads import LinearHead
from tacref.encoder.preprocess import Pictures, Standardize, resize_weights, true_along
from tacref.resizing import COLUMN_BITS, ROW_BITS


class FrozenPictures(Pictures):
    """Decoded frames to what a backbone takes, as its `Preprocessing` says.

    Parameters
    ----------
    backbone : BackboneConfig
        What it takes.
    """

    def __init__(self, backbone: BackboneConfig) -> None:
        preprocessing = backbone.preprocessing
        super().__init__(preprocessing.size)
        self.crops_from, self.scale = preprocessing.resize, preprocessing.scale
        self.reverses_channels = preprocessing.channels == "BGR"
        self.channels_last = backbone.layout == "NHWC"
        self.mean = torch.tensor(preprocessing.mean)[:, None, None]
        self.std = torch.tensor(preprocessing.std)[:, None, None]

    def forward(self, frames: Tensor) -> Tensor:
        """Map uint8 RGB `(M, H, W, 3)` to float32 in the layout of the backbone."""
        return self.standardize(self.resize_all(frames))

    def standardize(self, pixels: Tensor) -> Tensor:
        """Map levels from 0 to 255 `(M, 3, size, size)` to what the backbone takes."""
        pixels = (pixels * self.scale - self.mean) / self.std
        if self.reverses_channels:
            pixels = torch.cat([pixels[:, 2:], pixels[:, 1:2], pixels[:, :1]], 1)
        return pixels.permute(0, 2, 3, 1) if self.channels_last else pixels

    def _is_identity(self, frames: Tensor) -> bool:
        return self.crops_from is None and super()._is_identity(frames)

    def _weights(self, down: Tensor, across: Tensor) -> tuple[Tensor, Tensor]:
        if self.crops_from is None:
            return super()._weights(down, across)
        height, width = (true_along(line).to(torch.int64).sum() for line in (down, across))
        # As `tacref.kernels.resize.crop_center`.
        side = torch.minimum(height, width) * self.size + self.crops_from // 2
        side = (side // self.crops_from).clamp(min=1)
        return (
            resize_weights(down, self.size, ROW_BITS, side),
            resize_weights(across, self.size, COLUMN_BITS, side),
        )


@torch.library.custom_op("tacref::backbone", mutates_args=())
def _backbone_operator(pictures: Tensor, shape: list[int]) -> Tensor:
    """Stand for a backbone in a traced encoder, where an export puts the backbone's graph."""
    return pictures.new_zeros((len(pictures), *shape))


@_backbone_operator.register_fake
def _(pictures: Tensor, shape: list[int]) -> Tensor:
    return pictures.new_empty((pictures.shape[0], *shape))


class FrozenBackbone(nn.Module):
    """Runs a backbone in onnxruntime and averages its tokens or its map over a grid of cells.

    It has no weights of its own; a file must be attached before it is called.

    Parameters
    ----------
    config : BackboneConfig
        Which backbone, and what is made of its output.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.file: BackboneFile | None = None
        self.runner: BackboneRunner | None = None
        rows, columns = self._averages(config.cells)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    def attach(self, file: BackboneFile, runner: BackboneRunner | None = None) -> None:
        """Take the backbone from its file, and the session that has been opened of it, if any.

        Raises
        ------
        ValueError
            If it is another backbone, or onnxruntime cannot open it.
        """
        if file.sha256 != self.config.sha256:
            raise ValueError(
                f"{file.path}: another backbone, or changed: its SHA-256 is {file.sha256[:12]}..., "
                f"not {self.config.sha256[:12]}..."
            )
        self.file, self.runner = file, runner or file.open(self.config.output)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures in the backbone's layout to features `(M, width)`."""
        return self.pool(self.run(pictures))

    def run(self, pictures: Tensor) -> Tensor:
        """Return the backbone's own output.

        Raises
        ------
        ValueError
            If no file is attached, or onnxruntime cannot run the pictures.
        """
        if torch.compiler.is_exporting():
            output: Tensor = torch.ops.tacref.backbone(pictures, list(self.config.shape))
            return output
        if self.runner is None:
            raise ValueError("the encoder has no backbone file: load it from a run's folder")
        values = self.runner.run(pictures.detach().cpu().numpy())
        return torch.from_numpy(values).to(pictures.device, torch.float32)

    def pool(self, output: Tensor) -> Tensor:
        """Average an output over cells, which are rows after rows, C features each."""
        return self._pool(output, self.rows, self.columns)

    def pool_kept(self, output: Tensor) -> Tensor:
        """Average an output over the finer grid that is kept for training."""
        return self._pool(output, *self._averages(self.config.kept_cells))

    def _averages(self, cells: tuple[int, int]) -> tuple[Tensor, Tensor]:
        height, width = self.config.sides
        rows, columns = cell_averages(height, cells[0]), cell_averages(width, cells[1])
        return torch.from_numpy(rows), torch.from_numpy(columns)

    def _pool(self, output: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        config = self.config
        if config.form == "vector":
            return output
        if config.form == "tokens":
            if not config.keeps_place:
                return output.mean(1)
            height, width = config.sides
            output = output[:, config.prefix_tokens :].unflatten(1, (height, width))
        elif not config.channels_last:
            output = output.permute(0, 2, 3, 1)
        output = output.permute(0, 3, 1, 2)  # (M, C, h, w)
        cells = rows @ output @ columns.T
        return cells.permute(0, 2, 3, 1).flatten(1)


class FrozenHead(nn.Module):
    """Standardized features, a linear layer a frame, then `LinearHead` on the context.

    The mean over the context is subtracted, as in the "small" encoder: what a frozen backbone says
    first is how a scene looks.

    Parameters
    ----------
    features : int
        Features per frame.
    context : int
        Number K of context frames.
    dim : int
        Length d of an embedding.
    width : int
        Length of a frame's vector after the linear layer.
    """

    def __init__(self, features: int, context: int, dim: int, *, width: int = 128) -> None:
        super().__init__()
        self.standardize = Standardize(features)
        self.project = nn.Linear(features, width)
        self.layers = LinearHead(width, context, dim, centered=True)

    def forward(self, features: Tensor, windows: Tensor, whole_video: bool) -> Tensor:
        """Map the features `(M, F)` and windows `(N, K)` of them to `(N, d)`."""
        standardized = self.standardize(features).to(self.project.weight.dtype)
        embeddings: Tensor = self.layers(self.project(standardized), windows, whole_video)
        return embeddings
