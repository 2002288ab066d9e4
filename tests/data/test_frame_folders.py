"""A clip as a folder of pictures."""

import io
import struct
import subprocess
import warnings
import zlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
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


def png16(color_type, samples):
    """Return a PNG of 16 bits a sample, which Pillow does not write in color."""
    height, width = samples.shape[:2]
    rows = samples.astype(">u2").tobytes()
    stride = len(rows) // height
    data = b"".join(b"\0" + rows[y * stride : (y + 1) * stride] for y in range(height))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)),
        (b"IDAT", zlib.compress(data)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


@pytest.mark.parametrize(
    ("color_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)], ids=["L", "RGB", "LA", "RGBA"]
)
def test_of_16_bits_the_upper_8_are_kept(tmp_path, color_type, channels):
    samples = np.linspace(0, 65535, 8 * channels).astype(np.uint16).reshape(1, 8, channels)
    (tmp_path / "1.png").write_bytes(png16(color_type, samples.repeat(4, 0)))
    (picture,) = iter_pictures(tmp_path)
    colors = samples[0, :, :3] if channels > 2 else samples[0, :, :1].repeat(3, 1)
    assert_array_equal(picture, np.broadcast_to(colors >> 8, (4, 8, 3)))


def test_16_bit_gray_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    ramp = np.arange(0, 48 * 256, 256, dtype=np.uint16).reshape(6, 8)
    Image.fromarray(ramp).save(tmp_path / "1.png", exif=exif)
    (picture,) = iter_pictures(tmp_path)
    assert_array_equal(picture[..., 0], np.rot90(ramp >> 8, -1))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_of_a_png(tmp_path, mode):
    gray = mode in ("1", "L", "LA")
    pixels = np.full((6, 8, 3), 255 if gray else (255, 0, 51), np.uint8)  # in the web palette
    image = Image.fromarray(pixels).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(0)  # what is transparent has its stored color
    # Of a palette, transparency is a byte a color.
    options = {"transparency": bytes(256)} if mode == "P" else {}
    image.save(tmp_path / "1.png", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (picture,) = iter_pictures(tmp_path)
    assert_array_equal(picture, pixels)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_mode_of_a_jpeg(tmp_path, mode):
    pixels = np.full((16, 16, 3), 90 if mode == "L" else (200, 40, 90), np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "1.jpg", quality=95)
    (picture,) = iter_pictures(tmp_path)
    assert_allclose(picture.astype(int), pixels, atol=4)  # what JPEG loses


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_the_first_picture_of_an_animated_one(tmp_path, suffix):
    first, second = (Image.new("RGB", (8, 6), (level,) * 3) for level in (50, 90))
    options = {"lossless": True} if suffix == "webp" else {}
    first.save(tmp_path / f"1.{suffix}", save_all=True, append_images=[second], **options)
    (picture,) = iter_pictures(tmp_path)
    assert_array_equal(picture, np.full((6, 8, 3), 50, np.uint8))


@pytest.mark.parametrize("kind", ["EPS", "GIF", "PPM", "TIFF"])
def test_other_formats_are_refused_whatever_their_name(tmp_path, kind, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError(f"a program was started: {arguments}")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    data = io.BytesIO()
    Image.new("RGB", (8, 6)).save(data, kind)
    (tmp_path / "1.png").write_bytes(data.getvalue())
    with pytest.raises(ValueError, match=r"1\.png: not a picture.*no BMP, JPEG, PNG or WebP"):
        list(iter_pictures(tmp_path))


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


@pytest.mark.parametrize("suffix", ["bmp", "jpg", "png", "webp"])
def test_cut_off_picture_is_refused(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"1.{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=rf"1\.{suffix}: not a picture, or damaged"):
        list(iter_pictures(tmp_path))


def test_a_picture_too_large_to_be_one_is_named(tmp_path):
    # 30,000 x 30,000 pixels, as its header says.
    data = bytearray(png16(0, np.zeros((1, 1, 1), np.uint16)))
    data[16:24] = struct.pack(">II", 30_000, 30_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "1.png").write_bytes(data)
    with pytest.raises(ValueError, match=r"1\.png: not a picture.*exceeds limit"):
        list(iter_pictures(tmp_path))


def test_a_picture_of_one_pixel(tmp_path):
    save(tmp_path / "1.png", 50, size=(1, 1))
    (picture,) = iter_pictures(tmp_path)
    assert_array_equal(picture, [[[50, 50, 50]]])


def test_sizes_must_agree(tmp_path):
    save(tmp_path / "1.png")
    save(tmp_path / "2.png", size=(10, 6))
    with pytest.raises(ValueError, match=r"2\.png: is 10x6, but 1\.png is 8x6"):
        list(iter_pictures(tmp_path))


def test_no_pictures(tmp_path):
    with pytest.raises(ValueError, match="holds no pictures"):
        list(iter_pictures(tmp_path))
