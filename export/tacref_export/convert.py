"""From a run to one ONNX file that is proven equal to torch before it appears."""

import hashlib
import json
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tacref.commands import Parser, command
from tacref.encoder.config import EncoderConfig
from tacref.encoder.storage import WEIGHTS, load_encoder
from tacref.files import check_new_file, replacing
from tacref_export.session import FORMAT, INPUT, OUTPUT, PREFIX, EncoderSession

if TYPE_CHECKING:
    import onnx

    from tacref.embed import Embedder

OPSET = 18
TOLERANCE = 1e-5  # float32, on rows of unit length

# (T, H, W): one frame, fewer frames than the context, non-square, odd, smaller and larger than
# the pictures that the backbone sees.
PICTURE_SHAPES = ((1, 64, 64), (2, 48, 33), (5, 240, 320), (9, 121, 75), (17, 64, 96), (40, 37, 51))
FEATURE_LENGTHS = (1, 2, 7, 20, 50, 129)


@dataclass(frozen=True)
class Parity:
    """Measured difference between onnxruntime and torch at one shape."""

    shape: tuple[int, ...]
    max_abs: float

    def __str__(self) -> str:
        """Return one line, such as `1x64x64x3: 1.2e-07`."""
        return f"{'x'.join(map(str, self.shape))}: {self.max_abs:.1e}"


class ParityError(RuntimeError):
    """The exported file does not compute what torch computes."""


def export_encoder(run: str | Path, path: str | Path) -> list[Parity]:
    """Write a run's encoder as one ONNX file, once it is proven equal to torch.

    Parameters
    ----------
    run : str or Path
        A run's folder.
    path : str or Path
        The file to write, `*.onnx`; replaced if it exists. Its input `frames` is uint8
        `(T, H, W, 3)` RGB or float32 `(T, F)`, its output `embeddings` float32 `(T, d)`; T, H and
        W are free, and resizing, scaling and context gathering are inside.

    Returns
    -------
    list of Parity
        The largest absolute difference from torch at each shape that was tried.

    Raises
    ------
    FileNotFoundError, ValueError
        If `run` is not a run's folder, or `path` does not end in `.onnx`.
    ParityError
        If a difference is above 1e-5; then no file appears.
    """
    import onnx
    import torch

    path = check_new_file(path)
    if path.suffix != ".onnx":
        raise ValueError(f"{path}: name of the file to write must end in .onnx")
    encoder = load_encoder(run)
    inputs = _inputs(encoder.config)
    with _quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            encoder,
            (torch.from_numpy(inputs[-1]),),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=(
                {0: "T", 1: "H", 2: "W"} if encoder.config.takes_pictures else {0: "T"},
            ),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    weights = hashlib.sha256((Path(run) / WEIGHTS).read_bytes()).hexdigest()
    _describe(model, encoder.config, weights)
    onnx.checker.check_model(model, full_check=True)
    with replacing(path) as temporary:
        onnx.save_model(model, temporary)
        parity = measure_parity(encoder, temporary, inputs)
        worst = max(parity, key=lambda each: each.max_abs)
        if not worst.max_abs <= TOLERANCE:  # NaN fails as well
            raise ParityError(
                f"{path}: not written; it differs from torch by {worst.max_abs:.1e} at shape "
                f"{worst.shape}, and {TOLERANCE:.0e} is allowed"
            )
        _annotate(model, "parity", json.dumps([[list(p.shape), p.max_abs] for p in parity]))
        onnx.save_model(model, temporary)
    return parity


def measure_parity(
    encoder: "Embedder", path: str | Path, inputs: Sequence[np.ndarray]
) -> list[Parity]:
    """Compare an ONNX file, run by onnxruntime on the CPU, with the torch encoder.

    Parameters
    ----------
    encoder : Encoder
        In evaluation mode.
    path : str or Path
        The ONNX file.
    inputs : sequence of ndarray
        Videos to compare on.

    Returns
    -------
    list of Parity
        One for each input.
    """
    session = EncoderSession(path)
    return [
        Parity(
            frames.shape,
            float(np.abs(session.embed(frames) - encoder.embed(frames)).max()),
        )
        for frames in inputs
    ]


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    # torch's exporter logs that torchvision is absent, and warns of its own deprecations.
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _inputs(config: EncoderConfig) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    if not config.takes_pictures:
        return [
            rng.normal(size=(length, config.channels)).astype(np.float32)
            for length in FEATURE_LENGTHS
        ]
    videos = []
    for length, height, width in PICTURE_SHAPES:
        # A moving gradient under noise: neighboring frames are alike, and no two are the same.
        ramp = np.add.outer(np.linspace(0, 1, height), np.linspace(0, 1, width))
        time = np.arange(length)[:, None, None, None] / 20
        wave = 127 * (1 + np.sin(6 * (ramp[None, :, :, None] + time + np.arange(3) / 3)))
        noise = rng.uniform(-40, 40, (length, height, width, 3))
        videos.append(np.clip(wave + noise, 0, 255).astype(np.uint8))
    return videos


def _describe(model: "onnx.ModelProto", config: EncoderConfig, weights: str) -> None:
    import torch

    import tacref

    model.producer_name = "tacref"
    model.producer_version = tacref.__version__
    if config.takes_pictures:
        preprocessing = (
            f"uint8 RGB; resized to {config.size}x{config.size} by antialiased linear "
            "interpolation, aspect ratio not kept; /255; ImageNet mean and deviation"
        )
    else:
        preprocessing = "float32 features; mean and deviation of the training set"
    for key, value in {
        "format": FORMAT,
        "version": tacref.__version__,
        "encoder": json.dumps(config.to_json()),
        "preprocessing": preprocessing + " (all inside the graph)",
        "weights_sha256": weights,
        "torch": torch.__version__,
    }.items():
        _annotate(model, key, value)


def _annotate(model: "onnx.ModelProto", key: str, value: str) -> None:
    entry = model.metadata_props.add()
    entry.key, entry.value = PREFIX + key, value


@command("export")
def main(argv: Sequence[str] | None = None) -> int:
    """Export a run; status 1 if the file would differ from torch."""
    parser = Parser(
        prog="tacref export",
        description="Write a run's encoder as one ONNX file, once it is proven equal to torch.",
    )
    parser.add_argument("run", help="a run's folder")
    parser.add_argument("-o", "--out", required=True, metavar="FILE.onnx", help="file to write")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    try:
        parity = export_encoder(options.run, options.out)
    except ParityError as error:
        print(f"tacref export: {error}", file=sys.stderr)
        return 1
    size = Path(options.out).stat().st_size
    if options.json:
        differences = [{"shape": each.shape, "max_abs": each.max_abs} for each in parity]
        print(json.dumps({"file": options.out, "bytes": size, "parity": differences}))
    else:
        print(f"{options.out}: {size / 1e6:.1f} MB, largest difference from torch")
        print("\n".join(f"  {each}" for each in parity))
    return 0


if __name__ == "__main__":
    sys.exit(main())
