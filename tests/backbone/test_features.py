"""What an encoder makes of a backbone's pictures and output, against plain NumPy."""

import numpy as np
import onnxruntime
import pytest
import torch

from tacref.encoder import EncoderConfig, build_encoder, load_encoder, save_encoder
from tacref.encoder.frozen.model import BackboneFile
from tacref.kernels.resize import crop_center, resize
from tests.backbone.models import PREPROCESSING, map_model, token_model, vector_model

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 61, 48, 3), dtype=np.uint8)
CASES = {
    "map": (map_model, {}),
    "map of NHWC": (lambda path, **how: map_model(path, layout="NHWC", **how), {"resize": 37}),
    "tokens": (token_model, {"resize": 40}),
    "tokens without a place": (lambda path, **how: token_model(path, prefix=30, **how), {}),
    "vector": (vector_model, {}),
    "BGR from 0 to 255": (
        vector_model, {"channels": "BGR", "scale": 1.0, "mean": [124, 116, 104], "std": [1, 1, 1]},
    ),
}  # fmt: skip


def make(case, folder, **how):
    model, changes = CASES[case]
    file = BackboneFile(model(folder / "b.onnx", preprocess=PREPROCESSING | changes))
    config, runner = file.configure(**how)
    encoder = build_encoder(EncoderConfig.default("frozen", backbone=config)).eval()
    encoder.backbone.attach(file, runner)
    return encoder


def expected_features(path, config, frames, grid):
    """The same in NumPy and a session of its own."""
    how = config.preprocessing
    pictures = frames.astype(np.float64)
    height, width = frames.shape[1:3]
    if how.resize:
        side = round(min(height, width) * how.size / how.resize)
        top, left = (height - side) // 2, (width - side) // 2
        pictures = pictures[:, top : top + side, left : left + side]
    rows, columns = (triangle(length, how.size) for length in pictures.shape[1:3])
    pictures = np.einsum("ah,mhwc,bw->mabc", rows, pictures, columns)
    pictures = (pictures * how.scale - how.mean) / how.std
    if how.channels == "BGR":
        pictures = pictures[..., ::-1]
    if config.layout == "NCHW":
        pictures = pictures.transpose(0, 3, 1, 2)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (output,) = session.run([config.output], {config.input: pictures.astype(np.float32)})
    if output.ndim == 3:
        side = int(output.shape[1] ** 0.5)
        if output.shape[1] - side**2 > 9:
            return output.mean(1)
        output = output[:, -side * side :].reshape(len(output), side, side, -1)
    elif output.ndim == 4 and config.layout == "NCHW":
        output = output.transpose(0, 2, 3, 1)
    if output.ndim == 2:
        return output
    step = output.shape[1] // grid
    cells = output.reshape(len(output), grid, step, grid, step, -1).mean((2, 4))
    return cells.reshape(len(output), -1)


def triangle(n, size):
    """Weights of the antialiased triangle filter, as in Pillow."""
    support = max(1.0, n / size)
    centers = (np.arange(size) + 0.5) * n / size
    weights = np.maximum(0, 1 - np.abs(np.arange(n) + 0.5 - centers[:, None]) / support)
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("grid", [2, 4])
@pytest.mark.parametrize("case", CASES)
def test_features_are_those_of_numpy(case, tmp_path, grid):
    encoder = make(case, tmp_path, grid=grid)
    features = encoder.backbone(encoder.preprocess(torch.from_numpy(FRAMES))).numpy()
    expected = expected_features(str(tmp_path / "b.onnx"), encoder.config.backbone, FRAMES, grid)
    assert features.shape == expected.shape == (5, encoder.config.backbone.width)
    # Pictures are rounded to bytes, one of which is 1/58 of a standardized level.
    scale = np.abs(expected).max()
    assert np.abs(features - expected).max() <= 0.02 * scale


def test_cells_of_unequal_sides_are_true_averages(tmp_path):
    encoder = make("map", tmp_path, grid=3)  # of 8 x 8 places
    output = torch.from_numpy(np.random.default_rng(1).random((2, 8, 8, 8), np.float32))
    cells = encoder.backbone.pool(output).unflatten(1, (3, 3, 8)).permute(0, 3, 1, 2)
    fine = output.repeat_interleave(3, 2).repeat_interleave(3, 3)
    expected = torch.nn.functional.avg_pool2d(fine, 8)
    torch.testing.assert_close(cells, expected)


def test_a_crop_is_resized_to_the_same_bytes_in_numpy_and_torch(tmp_path):
    encoder = make("tokens", tmp_path)
    for height, width in ((61, 48), (32, 32), (20, 90), (33, 47), (240, 320)):
        frames = np.random.default_rng(2).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
        levels = encoder.preprocess.resize_all(torch.from_numpy(frames))
        expected = resize(crop_center(frames[0], 32, 40), 32)
        np.testing.assert_array_equal(levels[0].permute(1, 2, 0).numpy(), expected)


def test_a_saved_encoder_keeps_its_backbone(tmp_path):
    encoder = make("tokens", tmp_path)
    save_encoder(encoder, tmp_path / "run")
    loaded = load_encoder(tmp_path / "run")
    np.testing.assert_array_equal(loaded.embed(FRAMES), encoder.embed(FRAMES))
    features = encoder.backbone(encoder.preprocess(torch.from_numpy(FRAMES))).numpy()
    np.testing.assert_array_equal(loaded.embed_features(features), encoder.embed(FRAMES))
    vector_model(tmp_path / "run" / "backbone.onnx")
    with pytest.raises(ValueError, match=r"backbone.onnx: another backbone, or changed"):
        load_encoder(tmp_path / "run")
    (tmp_path / "run" / "backbone.onnx").unlink()
    with pytest.raises(FileNotFoundError, match=r"backbone.onnx: no such ONNX file"):
        load_encoder(tmp_path / "run")


def test_an_encoder_without_its_file_says_so(tmp_path):
    encoder = make("vector", tmp_path)
    bare = build_encoder(encoder.config)
    with pytest.raises(ValueError, match="has no backbone file"):
        bare.embed(FRAMES)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("frozen", {}, r"encoder 'frozen' needs backbone"),
        ("small", {"backbone": True}, r"encoder 'small' takes no backbone"),
        ("frozen", {"backbone": True, "size": 64}, "size must be that of the backbone's"),
    ],
)
def test_configurations_that_do_not_fit(tmp_path, name, changes, message):
    config = make("vector", tmp_path).config.backbone
    given = {key: config if key == "backbone" else value for key, value in changes.items()}
    if name == "small":
        given["size"] = 64
    with pytest.raises(ValueError, match=message):
        EncoderConfig.default(name, **given)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sha256", "1", "sha256 must be 64"),
        ("output", "", "output must be a name"),
        ("layout", "CHW", "layout must be NCHW or NHWC"),
        ("shape", [0], "shape must be one to three whole numbers"),
        ("shape", 8, "shape must be a list"),
        ("grid", 0, "backbone_grid must be from 1 to 64, got 0"),
        ("shape", [60_000, 30, 30], "more than 1000000; a lower backbone_grid"),
        ("preprocessing", {"size": 4}, "size must be a whole number of pixels"),
        ("other", 1, "must have the keys"),
    ],
)
def test_damaged_configurations(tmp_path, key, value, message):
    values = make("vector", tmp_path).config.to_json()
    values["backbone"][key] = value
    if key == "shape":
        values["backbone"]["grid"] = 8
    with pytest.raises(ValueError, match=message):
        EncoderConfig.from_json(values)
