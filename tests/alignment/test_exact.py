"""DTW of embeddings against the reference: values and paths to the bit, by any blocks."""

import importlib
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tacref import reference
from tacref.alignment import bound, dtw, dtw_path, sweep
from tacref.alignment import path as paths
from tacref.alignment.path import Blocks, find_path, plan_blocks
from tacref.alignment.sweep import make_borders, make_pair, no_storage, run_sweep, whole_area
from tacref.bands import band_columns
from tacref.kernels.costs import ROWS
from tacref.kernels.dtw.pair import rows_of_columns
from tacref.kernels.dtw.tile import TILE
from tacref.losses import SoftDTWLoss

SMALLEST = Blocks(ROWS, TILE)
SEEDS = st.integers(0, 2**32 - 1)
LENGTHS = st.one_of(st.integers(1, 150), st.integers(1, 3 * TILE + 5))


def tied(n, m, d, seed):
    """Embeddings of few whole numbers: costs are exact in any order, and many are equal."""
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, 3, (length, d)).astype(np.float64) for length in (n, m))


def find(x, y, band=None, blocks=SMALLEST, threads=1, shape="offset"):
    columns = band_columns(len(x), len(y), band, shape)
    return find_path(make_pair(x, y, columns), blocks, threads=threads)


def value(x, y, threads=1):
    pair = make_pair(x, y)
    row, left = make_borders(pair)
    run_sweep(pair, whole_area(pair), row, left, no_storage(), threads=threads)
    return row[-1]


def assert_as_reference(path, x, y, band, shape="offset"):
    expected = reference.dtw_path(reference.cost_matrix(x, y), band=band, band_shape=shape)
    assert_array_equal(path, expected)


def widths(n, m, slack):
    """Yield a band of every shape that leaves a path, and no band."""
    yield {"band": None, "band_shape": "diagonal"}
    yield {"band": max(1, slack), "band_shape": "diagonal"}
    yield {"band": abs(n - m) + slack, "band_shape": "offset"}
    if min(n, m) > 2:
        yield {"band": max(n, m) / min(n, m) + 1 + slack / 50, "band_shape": "itakura"}


@given(LENGTHS, LENGTHS, st.integers(1, 40), SEEDS, st.integers(0, 200))
def test_value_and_path_are_those_of_the_reference(n, m, d, seed, slack):
    x, y = tied(n, m, d, seed)
    for options in widths(n, m, slack):
        try:
            band_columns(n, m, options["band"], options["band_shape"])
        except ValueError:  # a slope that leaves no path
            continue
        assert dtw(x, y, **options) == reference.dtw(reference.cost_matrix(x, y), **options)
        path = dtw_path(x, y, **options)
        assert path.dtype == np.int64
        assert_as_reference(path, x, y, *options.values())


@given(LENGTHS, LENGTHS, SEEDS, st.integers(0, 200))
def test_any_blocks_and_any_threads_find_the_same_path(n, m, seed, slack):
    x, y = tied(n, m, 2, seed)
    for options in widths(n, m, slack):
        band, shape = options.values()
        try:
            band_columns(n, m, band, shape)
        except ValueError:  # a slope that leaves no path
            continue
        for blocks, threads in ((SMALLEST, 1), (SMALLEST, 2), (Blocks(2 * ROWS, 2 * TILE), 3)):
            path = find(x, y, band, blocks, threads, shape)
            assert_as_reference(path, x, y, band, shape)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_long_narrow_band(threads):
    x, y = tied(5000, 4990, 1, seed=7)
    for band, shape in ((10, "offset"), (17, "offset"), (300, "offset"), (3, "diagonal")):
        path = find(x, y, band, threads=threads, shape=shape)
        assert_as_reference(path, x, y, band, shape)
    x = x[:1000]
    assert_as_reference(find(x, y, 2, threads=threads, shape="diagonal"), x, y, 2, "diagonal")


@given(st.integers(1, 150), st.integers(1, 150), st.integers(1, 40), SEEDS)
def test_values_that_are_rounded(n, m, d, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    D = reference.cost_matrix(x, y)
    # A cost of d terms may be fused and summed in another order; all terms are positive.
    assert_allclose(dtw(x, y), reference.dtw(D), rtol=1e-14 * (d + 10))
    path = dtw_path(x, y)
    assert_allclose(D[tuple(path.T)].sum(), reference.dtw(D), rtol=1e-14 * (d + 10))


def test_threads_change_no_bit():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(1000, 7)), rng.normal(size=(1500, 7))
    assert {value(x, y, threads=threads) for threads in (1, 2, 3, 4, 16)} == {dtw(x, y)}
    path = dtw_path(x, y)
    for threads in (1, 2, 16):
        assert_array_equal(find(x, y, None, SMALLEST, threads), path)


def test_swapped_and_transposed_agree():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(333, 5)), rng.normal(size=(777, 5))
    assert dtw(x, y) == dtw(y, x)
    assert_array_equal(dtw_path(x, y), dtw_path(y, x)[:, ::-1])  # ties have probability 0


def test_a_known_warp_is_found():
    rng = np.random.default_rng(5)
    frames = rng.permutation(4000)[:, None].astype(np.float32)
    counts = rng.integers(1, 4, len(frames))
    source = np.repeat(np.arange(len(frames)), counts)
    expected = np.stack((source, np.arange(len(source))), axis=1)
    for path in (
        dtw_path(frames, frames[source]),
        find(frames, frames[source], None, Blocks(512, 3 * TILE), 2),
    ):
        assert_array_equal(path, expected)
    assert dtw(frames, frames[source]) == 0.0


def test_inputs_stay_and_may_be_read_only():
    x, y = tied(70, 90, 3, seed=6)
    copies = x.copy(), y.copy()
    for array in (x, y):
        array.flags.writeable = False
    assert_array_equal(dtw_path(x, y), dtw_path(*copies))
    assert_array_equal(dtw_path(np.asfortranarray(x), y[::-1][::-1]), dtw_path(*copies))
    assert_array_equal(dtw_path(x.tolist(), y.astype(np.float16)), dtw_path(*copies))
    assert_array_equal(x, copies[0])


def ties_swapped(x, y, band):
    return find(y, x, band)[:, ::-1]


def band_too_wide(x, y, band):
    return find(x, y, band + 1)


def costs_off(x, y, band):
    return find(x * (1 + 1e-15), y, band)


@pytest.mark.parametrize("fault", [ties_swapped, band_too_wide, costs_off])
def test_planted_faults_are_found(fault):
    x, y = tied(400, 410, 1, seed=8)
    assert_as_reference(find(x, y, 10), x, y, 10)
    with pytest.raises(AssertionError):
        assert_as_reference(fault(x, y, 10), x, y, 10)


@pytest.mark.parametrize("number", [0, 1])
def test_a_lost_checkpoint_is_found(number, monkeypatch):
    x, y = tied(400, 410, 1, seed=9)
    restore = paths.restore_borders

    def lose(pair, area, kept, row, left):
        restore(pair, area, kept, row, left)
        if area.row_start and area.column_start:
            (row[area.column_start :], left[area.row_start :])[number][:] = np.inf

    monkeypatch.setattr(paths, "restore_borders", lose)
    with pytest.raises(AssertionError):
        assert_as_reference(find(x, y), x, y, None)


def test_blocks_are_planned_within_memory():
    for n, m, band in (
        (10_000, 10_000, None),
        (50_000, 50_000, None),
        (1_000_000, 200_000, None),
        (5_000_000, 5_000_000, 1000),
        (3_000_000, 3_000_000, 0),
    ):
        pair = pair_of(n, m, band)
        blocks = plan_blocks(pair)
        kept = paths.make_checkpoints(pair, blocks)
        assert kept.rows.nbytes + kept.columns.nbytes <= paths.MAX_CHECKPOINT_BYTES
        assert paths._direction_bytes(pair, blocks) <= 2**28
    pair = pair_of(4000, 6000, 10_000)
    assert paths.make_checkpoints(pair, plan_blocks(pair)).rows.size == 0  # one block has it all


def pair_of(n, m, band):
    """Return a pair without embeddings, for its sizes."""
    columns = band_columns(n, m, band, "offset")
    pair = make_pair(np.zeros((1, 64)), np.zeros((1, 64)))
    rows = rows_of_columns(*columns, m)
    fields = ("first_columns", "stop_columns", "first_rows", "stop_rows")
    return pair._replace(n=n, m=m, **dict(zip(fields, (*columns, *rows), strict=True)))


def test_rows_of_columns_are_those_of_the_transposed_band():
    for n, m, band, shape in ((7, 12, 2, "diagonal"), (12, 7, 6, "offset"), (9, 9, 2, "itakura")):
        for one, other in zip(
            rows_of_columns(*band_columns(n, m, band, shape), m),
            band_columns(m, n, band, shape),
            strict=True,
        ):
            assert_array_equal(one, other)


class Bar:
    """Takes the place of tqdm and remembers what it was told."""

    made = None

    def __init__(self, **options):
        self.options, self.n, self.steps = options, 0, []
        Bar.made = self

    def update(self, step):
        self.n += step
        self.steps.append(step)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_progress_rises_to_the_whole(monkeypatch):
    tqdm = importlib.import_module("tqdm")
    monkeypatch.setattr(tqdm, "tqdm", Bar)
    monkeypatch.setattr(paths, "MAX_DIRECTION_BYTES", 0)
    monkeypatch.setattr(sweep, "_SECONDS_PER_TURN", 0.0)  # pause after every tile
    monkeypatch.setattr(sweep, "_MIN_SECONDS_PER_THREAD", np.inf)  # use one thread
    monkeypatch.setattr(bound, "MIN_SECONDS_FOR_BOUND", np.inf)  # leave nothing out
    x, y = tied(1500, 1200, 2, seed=12)
    assert_as_reference(dtw_path(x, y, progress=True), x, y, None)
    assert Bar.made.options["total"] == Bar.made.n == 1500
    assert Bar.made.options["delay"] > 1  # seconds: nothing shows for short videos
    assert Bar.made.options["disable"] is None  # nor where there is no terminal
    assert min(Bar.made.steps) >= 0
    assert max(Bar.made.steps) < 750


def test_tqdm_is_needed_for_a_bar_only(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert_array_equal(dtw_path([[0.0]], [[1.0], [2.0]]), [[0, 0], [0, 1]])
    with pytest.raises(ImportError, match="tqdm"):
        dtw_path([[0.0]], [[1.0]], progress=True)


def test_no_bar_on_standard_error_that_is_no_terminal(capfd):
    dtw_path(*tied(300, 200, 2, seed=13), progress=True)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("function", [dtw, dtw_path])
@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (np.zeros(3), np.zeros((3, 1)), {}, r"x must have shape \(frames, d\), .* got \(3,\)"),
        (np.zeros((3, 1)), np.zeros((0, 1)), {}, r"y must have shape .* got \(0, 1\)"),
        (np.zeros((3, 1)), np.zeros((3, 2)), {}, r"same d, got shapes \(3, 1\) and \(3, 2\)"),
        ([["a"]], [[1.0]], {}, "x must hold real numbers, got dtype <U1"),
        ([[0.0]], [[0.0], [np.nan]], {}, r"y must be finite, got .*nan.* at \(1, 0\)"),
        ([[1e160]], [[0.0]], {}, r"stay finite .* got values up to 1e\+160 and 0\.0"),
        ([[0.0]], [[1.0]], {"band": -1}, "band must be a whole number >= 0 or None, got -1"),
        ([[0.0]], [[1.0]], {"band": 1.0}, r"band must be a whole number .* got 1\.0"),
        (np.zeros((2, 1)), np.zeros((5, 1)), {"band": 0}, r"band must be >= 1 for n = 2 .* got 0"),
        (
            np.zeros((2, 1)),
            np.zeros((5, 1)),
            {"band": 2, "band_shape": "offset"},
            r"band must be >= \|n - m\| = 3 .* 2",
        ),
        ([[0.0]], [[1.0]], {"band_shape": "round"}, "band_shape must be one of .* got 'round'"),
    ],
)
def test_refusals(function, x, y, options, message):
    with pytest.raises(ValueError, match=message):
        function(x, y, **options)


def test_largest_values():
    x, y = np.full((3, 2), 1e150), np.full((2, 2), -1e150)
    assert_allclose(dtw(x, y), 3 * 8e300, rtol=1e-14)
    assert_array_equal(dtw_path(x, y), [[0, 0], [1, 0], [2, 1]])


@pytest.mark.parametrize("band", [2**31, 2**63 - 1, 2**63, 10**30])
def test_a_band_wider_than_any_video_forbids_nothing(band):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 3)), rng.normal(size=(280, 3))
    assert dtw(x, y, band=band) == dtw(x, y)
    assert_array_equal(dtw_path(x, y, band=band), dtw_path(x, y))
    wide, free = (SoftDTWLoss(band=each) for each in (band, None))
    videos = torch.from_numpy(x[None]), torch.from_numpy(y[None])
    assert wide(*videos) == free(*videos)
