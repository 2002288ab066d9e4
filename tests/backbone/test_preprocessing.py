"""What pictures go through before a backbone, as files state it."""

import json
import tomllib

import pytest

from tacref.encoder.frozen.preprocessing import (
    EXAMPLE,
    Preprocessing,
    parse_preprocessing,
    preprocessing_of_metadata,
    read_preprocessing,
)

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
MEAN, STD = tuple(IMAGENET["image_mean"]), tuple(IMAGENET["image_std"])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (  # DINOv2
            {"crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "do_resize": True,
             "size": {"shortest_edge": 256}, "rescale_factor": 0.00392156862745098, **IMAGENET},
            Preprocessing(224, 256, 0.00392156862745098, MEAN, STD),
        ),
        (  # SigLIP
            {"do_resize": True, "size": {"height": 224, "width": 224}, "do_rescale": True,
             "rescale_factor": 1 / 255, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
            Preprocessing(224, None, 1 / 255, (0.5,) * 3, (0.5,) * 3),
        ),
        (  # an early ViT
            {"do_normalize": True, "do_resize": True, "size": 224, "image_mean": [0.5] * 3,
             "image_std": [0.5] * 3},
            Preprocessing(224, None, 1 / 255, (0.5,) * 3, (0.5,) * 3),
        ),
        (  # an early CLIP
            {"do_center_crop": True, "crop_size": 224, "size": 256, **IMAGENET},
            Preprocessing(224, 256, 1 / 255, MEAN, STD),
        ),
        (  # ConvNeXt
            {"do_resize": True, "crop_pct": 0.875, "size": {"shortest_edge": 224}, **IMAGENET},
            Preprocessing(224, 256, 1 / 255, MEAN, STD),
        ),
        (
            {"do_resize": True, "size": 224, "do_rescale": False, "do_normalize": False},
            Preprocessing(224, None, 1.0),
        ),
    ],
)  # fmt: skip
def test_hugging_face(tmp_path, values, expected):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(values))
    assert read_preprocessing(path) == expected


def test_the_example_of_the_message_can_be_read(tmp_path):
    path = tmp_path / "preprocess.toml"
    path.write_text(EXAMPLE)
    assert read_preprocessing(path) == Preprocessing(224, 256, 1 / 255, MEAN, STD)
    as_json = json.dumps(tomllib.loads(EXAMPLE))
    assert preprocessing_of_metadata(as_json, "b.onnx") == read_preprocessing(path)
    assert "center 224x224 cropped" in str(read_preprocessing(path))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 224, "mean": [0.5, 0.5]}, r"mean must be three numbers, one a channel, got \["),
        ({"size": 224, "std": [0.5, 0, 1]}, r"std must be > 0 in each channel"),
        ({"size": 224, "std": "0.5"}, "std must be three numbers"),
        ({"size": 224, "scale": 0}, "scale must be a number > 0, got 0"),
        ({"size": 224, "resize": 200}, "resize must be >= size = 224, got 200"),
        ({"size": 8}, "size must be a whole number of pixels from 32 to 4096, got 8"),
        ({"size": 224, "channels": "GBR"}, 'channels must be "RGB" or "BGR", got \'GBR\''),
        ({"size": 224, "means": [0, 0, 0]}, "unknown key 'means'; did you mean 'mean'"),
        ({"mean": [0, 0, 0]}, "size is missing"),
        ([1], "must hold keys and values"),
        ({"image_mean": [0.5, 0.5], "size": 224}, "mean must be three numbers"),
        ({"do_resize": True, "size": {"shortest_edge": 224}}, "there is no crop_size"),
        ({"do_resize": True, "size": {"height": 224, "width": 160}}, "equal height and width"),
        ({"size": {"shortest_edge": "x"}, "crop_pct": 0.9, "image_mean": 0}, "must be numbers"),
        ({"do_resize": False, "image_mean": [0, 0, 0]}, "size is missing"),
        ({"do_resize": True, "size": {"height": 64, "width": 64}, "crop_size": 96}, "must be <="),
        ({"do_resize": True, "size": {"height": 96, "width": 96}, "crop_size": 64}, "squeezed"),
    ],
)
def test_bad_values_are_named(values, message):
    with pytest.raises(ValueError, match=f"^file: .*{message}"):
        parse_preprocessing(values, "file")


def test_bad_metadata():
    with pytest.raises(ValueError, match=r"b.onnx: its metadata entry preprocess is not JSON"):
        preprocessing_of_metadata("{", "b.onnx")
