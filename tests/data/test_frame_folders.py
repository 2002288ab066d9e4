"""A clip as a folder of pictures."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from tacref.data.frames import iter_pictures, picture_files


def save(path, level=0, size=(8, 6), mode="RGB", **options):
    Image.new(mode, size, level if mode == "L" else (level,) * 3).save(path, **options)


def test_natural_order(tmp_path):
    names = ["frame2.png", "frame10.png", "Frame1.PNG", "1.jpg", "a.webp", "\u00b2.png"]
    for name in [*names, ".hidden.png", "notes.txt"]:
        (tmp_path / name).touch()
    assert [path.name for path in picture_files(tmp_path)] == [
        "1.jpg", "a.webp", "Frame1.PNG", "frame2.png", "frame10.png", "\u00b2.png",
    ]  # fmt: skip


def test_every_picture_becomes_rgb(tmp_path):
    save(tmp_path / "1.png", 50)
    save(tmp_path / "2.png", 60, mode="L")
    Image.new("RGBA", (8, 6), (70, 70, 70, 10)).save(tmp_path / "3.png")
    save(tmp_path / "4.bmp", 80)
    for picture, level in zip(iter_pictures(tmp_path), (50, 60, 70, 80), strict=True):
        assert_array_equal(picture, np.full((6, 8, 3), level, np.uint8))


def test_exif_orientation(tmp_path):
    picture = np.zeros((6, 8, 3), np.uint8)
    picture[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(picture).save(tmp_path / "1.png", exif=exif)
    (upright,) = iter_pictures(tmp_path)
    assert upright.shape == (8, 6, 3)
    assert (upright[0, -1] == 255).all()


def test_damaged_picture_is_named(tmp_path):
    save(tmp_path / "1.png")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "2.jpg")
    data = (tmp_path / "2.jpg").read_bytes()
    for content in (data[: len(data) // 2], b"hello", b""):
        (tmp_path / "2.jpg").write_bytes(content)
        with pytest.raises(ValueError, match=r"2\.jpg: not a picture, or damaged"):
            list(iter_pictures(tmp_path))


def test_sizes_must_agree(tmp_path):
    save(tmp_path / "1.png")
    save(tmp_path / "2.png", size=(10, 6))
    with pytest.raises(ValueError, match=r"2\.png: is 10x6, but 1\.png is 8x6"):
        list(iter_pictures(tmp_path))


def test_no_pictures(tmp_path):
    with pytest.raises(ValueError, match="holds no pictures"):
        list(iter_pictures(tmp_path))
