"""Pictures of the report: small, of the right aspect, and in colors that rise evenly."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tacref.report.pictures import (
    contact_sheet,
    legend_picture,
    matrix_picture,
    photo_uri,
)


def decoded(uri):
    image = Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1], validate=True)))
    image.load()
    return image


def lightness(pixels):
    """CIE L* of sRGB."""
    share = np.asarray(pixels, dtype=np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    return np.where(
        luminance > (6 / 29) ** 3, 116 * np.cbrt(luminance) - 16, luminance * (29 / 3) ** 3
    )


def test_photos_are_what_was_given():
    picture = np.full((20, 30, 3), (200, 40, 90), np.uint8)
    image = decoded(photo_uri(picture))
    assert image.size == (30, 20)
    assert image.getpixel((15, 10)) == pytest.approx((200, 40, 90), abs=3)  # JPEG


def test_a_contact_sheet_has_a_row_a_video():
    rows = [
        [np.full((10, 16, 3), level, np.uint8) for level in (100, 150)],
        [np.full((12, 8, 3), level, np.uint8) for level in (200, 250)],
    ]
    sheet = contact_sheet(rows, gap=4)
    assert sheet.shape == (2 * 16 + 4, 2 * 20 + 4, 3)
    assert [sheet[6, 6, 0], sheet[6, 26, 0], sheet[22, 6, 0], sheet[22, 26, 0]] == [
        100,
        150,
        200,
        250,
    ]
    assert sheet[0, 0, 0] == 40


def test_ramp_rises_evenly_in_lightness():
    steps = lightness(np.asarray(decoded(legend_picture()).convert("RGB"))[0])
    fit = np.polyval(np.polyfit(np.arange(256), steps, 1), np.arange(256))
    assert (np.diff(steps[::8]) > 0).all()
    assert steps[-1] - steps[0] > 70
    assert np.abs(steps - fit).max() < 4  # of a hundred: too little to make an edge


def test_matrix_picture_shows_the_matrix():
    D = np.array([[0.0, 1.0, 2.0], [4.0, 3.0, 0.5]])
    picture = lightness(np.asarray(decoded(matrix_picture(D)).convert("RGB")))
    assert picture.shape == D.shape
    np.testing.assert_array_equal(np.argsort(picture, axis=None), np.argsort(D, axis=None))


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 1), (1, 1)), ((3, 40), (40, 20)), ((2000, 1500), (480, 640)), ((5, 900), (640, 320))],
)
def test_matrix_picture_of_any_shape(shape, size):
    n, m = shape
    D = np.add.outer(np.arange(n), np.zeros(m)) + 1.0
    image = decoded(matrix_picture(D))
    assert image.size == size
    column = lightness(np.asarray(image.convert("RGB"))[:, 0])
    assert (np.diff(column) >= -0.5).all()  # top to bottom, as the rows
    assert n == 1 or column[-1] - column[0] > 60


def test_a_large_matrix_is_averaged():
    checkers = np.indices((1600, 1280)).sum(0) % 2  # 0 and 1 in turn
    image = np.asarray(decoded(matrix_picture(checkers.astype(np.float64))))
    assert image.shape == (640, 512)  # palette indices
    assert image.min() > 110
    assert image.max() < 145


def test_equal_costs_make_one_color():
    assert len(decoded(matrix_picture(np.full((4, 4), 2.0))).getcolors()) == 1
