"""The Triton kernels, run by Triton's interpreter on the CPU, against definition and reference.

The interpreter is chosen by an environment variable when Triton is first imported. So as not to
decide for other tests, these run in a process of their own; where there is a CUDA device, here on
it too.
"""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from tacref import reference
from tacref.losses import contrastive_idm, lav_loss
from tacref.losses.backends import triton as kernels
from tests import oracles
from tests.losses.triton_checks import (
    DEVICE,
    INSTALLED,
    INTERPRETED,
    check_soft_dtw,
    framed,
    lengths,
    padded,
    random,
    run_apart,
    watch,
)

without_triton = pytest.mark.skipif(not INSTALLED, reason="triton is not installed")
# Lanes that wait compute with what is not theirs.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:triton.*")


@without_triton
@pytest.mark.skipif(INTERPRETED, reason="this is the other process")
def test_under_the_interpreter():
    run = run_apart("-m", "pytest", "-p", "no:cacheprovider", __file__, TRITON_INTERPRET="1")
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(autouse=True)
def unwritten_memory_is_nan(monkeypatch):
    if INTERPRETED:
        from triton.runtime import interpreter

        # Not to check each sum of integers takes half the time.
        options = interpreter.InterpreterOptions(sanitize_overflow=False)
        monkeypatch.setattr(interpreter.interpreter_builder, "options", options)
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def tiny_tiles(monkeypatch):
    """Let small inputs take several strips, chunks, launches and groups of items.

    Under the interpreter the programs of a launch run in the opposite order, and what one of them,
    or one of its lanes, writes must be touched by no other.
    """
    from tacref.losses.backends.triton import tiles

    if INTERPRETED:
        watch(monkeypatch)
    monkeypatch.setattr(tiles, "SINGLE_ROWS", 4)
    monkeypatch.setattr(tiles, "SINGLE_COLUMNS", 5)
    monkeypatch.setattr(tiles, "TILE_ROWS", 4)
    monkeypatch.setattr(tiles, "TILE_COLUMNS", 5)
    monkeypatch.setattr(tiles, "MAX_CELLS", 30)
    return tiles


class TestKernels:
    # Not collected where they can run neither here nor on a device: the other process runs them.
    __test__ = INSTALLED and (INTERPRETED or torch.cuda.is_available())

    def test_nothing_is_missing(self, monkeypatch):
        assert kernels.missing() is None
        monkeypatch.delenv("TRITON_INTERPRET", raising=False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert kernels.missing() == "there is no CUDA device"
        monkeypatch.delattr("triton.language.gather")
        assert kernels.missing() == "triton is older than 3.3"

    @pytest.mark.parametrize("gamma", [1e-3, 0.1, 1.0, 1e3])
    def test_soft_dtw_of_several_shapes(self, gamma):
        matrices = [random(shape, 1) for shape in ((6, 5), (1, 1), (1, 4), (5, 1))]
        directions = [random(each.shape, 2) - 0.5 for each in matrices]
        # Equal costs have many best paths, whose weights are not only 0 and 1 at small gamma.
        matrices.append(np.ones((3, 6)))
        directions.append(random((3, 6), 3))
        # What is known of the product: eps (n + m) / gamma times Z.
        check_soft_dtw(matrices, gamma, directions=directions, atol=2e-14)

    @pytest.mark.parametrize("band", [None, 3])
    def test_soft_dtw_in_tiles(self, tiny_tiles, band):
        matrices = [random(shape, 4) for shape in ((9, 7), (5, 4))]
        directions = [random(each.shape, 5) - 0.5 for each in matrices]
        check_soft_dtw(matrices, 0.3, band, directions)

    def test_more_strips_than_take_turns(self, tiny_tiles, monkeypatch):
        monkeypatch.setattr(tiny_tiles, "TILE_ROWS", 2)
        monkeypatch.setattr(tiny_tiles, "TILE_COLUMNS", 2)
        check_soft_dtw([random((11, 4), 6)], 0.3)

    @pytest.mark.parametrize("band", [None, 3])
    def test_stages_swept_again_at_once(self, tiny_tiles, monkeypatch, band):
        # Two stages at a time, of both items; the band's first strip differs from stage to stage.
        monkeypatch.setattr(tiny_tiles, "MAX_CELLS", 240)
        monkeypatch.setattr(tiny_tiles, "MAX_GROUP_CELLS", 240)
        matrices = [random((13, 13), 34), random((12, 10), 35)]
        directions = [random(each.shape, 36) - 0.5 for each in matrices]
        groups = []
        way_back = tiny_tiles.Tiles.way_back

        def watched(self, *arguments):
            groups.append([len(group) for group in self._groups(2, 0)])
            return way_back(self, *arguments)

        monkeypatch.setattr(tiny_tiles.Tiles, "way_back", watched)
        check_soft_dtw(matrices, 0.3, band, directions)
        assert groups == 2 * [[2, 2, 2] if band is None else [3, 3]]

    def test_a_long_second_sequence(self, tiny_tiles):
        check_soft_dtw([random((3, 14), 7)], 0.3, directions=[random((3, 14), 8)])

    @pytest.mark.parametrize("tiled", [False, True])
    def test_forbidden_cells(self, tiled, request):
        if tiled:
            request.getfixturevalue("tiny_tiles")
        some = random((6, 5), 9)
        some[[0, 2, 3, 5], [1, 2, 0, 3]] = np.inf
        wall, last, first = random((4, 5), 10), random((3, 3), 11), random((2, 3), 12)
        wall[2] = last[2, 2] = first[0, 0] = np.inf
        matrices = [some, wall, last, first]
        directions = [random(each.shape, 29) for each in matrices]
        directions[0][0, 1] = np.nan
        check_soft_dtw(matrices, 0.2, directions=directions)

    def test_a_band_that_no_path_fits(self):
        check_soft_dtw([random((6, 6), 13), random((6, 3), 14)], 0.2, band=1)

    @pytest.mark.parametrize("ratio", [1e12, 1e15, 1e300])
    def test_costs_far_above_gamma(self, ratio):
        gamma = 1e-3
        # Best paths have as many cells as the longer side, and differ by their last digits.
        D = ratio * gamma * (1 + 8 * np.finfo(np.float64).eps * random((3, 6), 15).round(1))
        if ratio < 1e15:
            check_soft_dtw([D], gamma)
        D, rows, columns = padded([D])
        values, E = kernels.soft_dtw(D, gamma, rows, columns, -1, True)
        assert values.item() == pytest.approx(6 * ratio * gamma, rel=1e-12)
        # The flow stays one whatever the digits that are lost.
        assert_allclose(E[0, [0, 2], [0, 5]].cpu(), 1.0, rtol=1e-14)
        assert E.max() <= 1 + 1e-14
        assert E.sum(1).min() >= 1 - 1e-14

    def test_small_shares_keep_their_digits(self):
        # Two of three softmin weights are kept: never as a difference from a larger one.
        matrix = random((5, 6), 37)
        D, rows, columns = padded([matrix])
        _, E = kernels.soft_dtw(D, 0.02, rows, columns, -1, True)
        _, right, _ = oracles.exact_soft_dtw(matrix, 0.02)
        assert 0 < right.min() < 1e-25
        assert_allclose(E[0].cpu(), right, rtol=1e-11)

    def test_costs_that_cancel_or_are_below_zero(self):
        check_soft_dtw([random((5, 6), 16, 4.0) - 2.0], 0.5)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
    def test_dtypes(self, dtype):
        D, rows, columns = padded([random((5, 4), 17)], dtype)
        exact, E_exact = kernels.soft_dtw(D.double(), 0.5, rows, columns, -1, True)
        values, E = kernels.soft_dtw(D, 0.5, rows, columns, -1, True)
        assert torch.equal(values, exact)
        assert E.dtype == dtype
        # The interpreter cuts bfloat16 off, where a device rounds.
        torch.testing.assert_close(E.double(), E_exact, rtol=torch.finfo(dtype).eps, atol=1e-7)
        product = kernels.soft_dtw_hvp(D, D, 0.5, rows, columns, -1)
        assert product.dtype == dtype
        x, y = D[:, :, :2], D[:, :, 2:]
        values, grad_x, grad_y = kernels.soft_dtw_of_embeddings(x, y, 0.5, rows, rows, -1, True)
        exact = kernels.soft_dtw_of_embeddings(x.double(), y.double(), 0.5, rows, rows, -1, True)
        assert torch.equal(values, exact[0])
        assert grad_x.dtype == grad_y.dtype == torch.float32
        assert torch.equal(grad_x, exact[1].float())
        assert torch.equal(grad_y, exact[2].float())

    def test_values_alone(self):
        D, rows, columns = padded([random((5, 4), 18)])
        expected = kernels.soft_dtw(D, 0.5, rows, columns, -1, True)[0]
        values, E = kernels.soft_dtw(D, 0.5, rows, columns, -1, False)
        assert torch.equal(values, expected)
        assert E.shape == (0,)
        values, grad_x, grad_y = kernels.soft_dtw_of_embeddings(D, D, 0.5, rows, rows, -1, False)
        again = kernels.soft_dtw_of_embeddings(D, D, 0.5, rows, rows, -1, True)[0]
        assert torch.equal(values, again)
        assert grad_x.shape == grad_y.shape == (0,)
        values, grad_x = kernels.contrastive_idm(
            D, rows, rows[:, None].expand(1, 5), rows, 1, 1.0, "paper", False
        )
        assert values > 0
        assert grad_x.shape == (0,)

    def test_nan_stays_in_its_item(self):
        matrices = [random((4, 5), 19) for _ in range(3)]
        matrices[1][1, 2] = np.nan
        D, rows, columns = padded(matrices)
        values, E = kernels.soft_dtw(D, 0.5, rows, columns, -1, True)
        assert torch.isnan(values).tolist() == [False, True, False]
        assert torch.isnan(E).any((1, 2)).tolist() == [False, True, False]
        D[1, 1, 2] = -torch.inf
        assert torch.isnan(kernels.soft_dtw(D, 0.5, rows, columns, -1, False)[0]).tolist() == [
            *(False, True, False)
        ]
        values, grad_x, _ = kernels.soft_dtw_of_embeddings(D, D, 0.5, rows, rows, -1, True)
        assert torch.isnan(values).tolist() == [False, True, False]
        assert torch.isfinite(grad_x[[0, 2]]).all()

    @pytest.mark.parametrize("tiled", [False, True])
    @pytest.mark.parametrize("band", [None, 4])
    def test_embeddings(self, tiled, band, request):
        if tiled:
            request.getfixturevalue("tiny_tiles")
        x, rows, _ = padded([random((7, 3), 20), random((4, 3), 21)])
        y, columns, _ = padded([random((5, 3), 22), random((6, 3), 23)])
        y[0, 2] = x[0, 3]
        free = -1 if band is None else band
        values, grad_x, grad_y = kernels.soft_dtw_of_embeddings(
            x, y, 0.4, rows, columns, free, True
        )
        for item in range(2):
            n, m = int(rows[item]), int(columns[item])
            a, b = x[item, :n].cpu().numpy(), y[item, :m].cpu().numpy()
            differences = a[:, None] - b
            D = oracles.forbid_outside((differences**2).sum(-1), band)
            value, E, _ = oracles.exact_soft_dtw(D, 0.4)
            assert_allclose(values[item].item(), value, rtol=1e-14)
            # eq. 4 by the chain rule; sums of at most 7 terms of at most 2
            slopes = 2 * E[..., None] * differences
            for found, right in ((grad_x, slopes.sum(1)), (grad_y, -slopes.sum(0))):
                found = found[item].cpu().numpy()
                assert_allclose(found, framed(right, found.shape), rtol=0, atol=1e-14)

    def test_strides_beyond_32_bits(self, monkeypatch):
        # Rows 1.1e9 numbers apart, of which few are ever touched.
        monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)
        x = torch.tensor(random((1, 2, 2), 32)).to(DEVICE, torch.bfloat16)
        memory = torch.empty(2_200_000_002, dtype=torch.bfloat16, device=DEVICE)
        y = memory.as_strided((1, 3, 2), (memory.numel(), 1_100_000_000, 1))
        y.copy_(torch.tensor(random((1, 3, 2), 33)))
        rows, columns = lengths(2), lengths(3)
        found = kernels.soft_dtw_of_embeddings(x, y, 0.5, rows, columns, -1, True)
        expected = kernels.soft_dtw_of_embeddings(x, y.clone(), 0.5, rows, columns, -1, True)
        assert all(torch.equal(*both) for both in zip(found, expected, strict=True))

    def test_equal_embeddings_cost_exactly_nothing(self):
        x = torch.tensor(random((1, 3, 5), 24, 1e8), device=DEVICE)
        values, grad_x, _ = kernels.soft_dtw_of_embeddings(
            x, x, 1e-3, lengths(3), lengths(3), -1, True
        )
        assert values.item() == 0.0
        assert not grad_x.any()

    @pytest.mark.parametrize("short", [False, True])
    @pytest.mark.parametrize("variant", ["paper", "official", "printed", "laser"])
    def test_contrastive_idm(self, variant, short, monkeypatch):
        # In groups of one item, in one block; or in strips of 16 rows.
        monkeypatch.setattr(kernels, "MAX_PAIRS", 400)
        monkeypatch.setattr(kernels, "SHORT_ROWS", 32 if short else 16)
        arrays = [random((19, 2), 25), random((4, 2), 26)]
        arrays[0][7] = arrays[0][8] = arrays[0][3]
        # Exactly at the margin from the row before, and far from it.
        arrays[1][3] = arrays[1][0] + np.array([0.5, 0.0])
        x, rows, _ = padded(arrays)
        margin, sigma = (0.5 if variant == "laser" else 0.25), 2.0
        x[1, :4] = (x[1, :4] * 1024).round() / 1024
        times = torch.arange(19, device=DEVICE) * torch.tensor([[5], [2]], device=DEVICE)
        ends = lengths(101, 17)
        values, grad_x = kernels.contrastive_idm(
            x, rows, times, ends, sigma * 3, margin, variant, True
        )
        for item, n in enumerate(rows.tolist()):
            given = x[item, :n].cpu().numpy()
            differences = given[:, None] - given
            D_X = (differences**2).sum(-1)
            options = {"sigma": sigma * 3, "margin": margin, "variant": variant}
            if variant == "official":
                options["times"] = times[item, :n].cpu().numpy()
                options["video_length"] = int(ends[item])
            assert_allclose(
                values[item].item(), oracles.contrastive_idm(D_X, **options), rtol=1e-13
            )
            _, slopes = reference.contrastive_idm_of_distances_value_and_grad(D_X, **options)
            right = 2 * ((slopes + slopes.T)[..., None] * differences).sum(1)
            found = grad_x[item].cpu().numpy()
            assert_allclose(
                found, framed(right, found.shape), rtol=0, atol=1e-14 * np.abs(right).max()
            )

    @pytest.mark.parametrize("variant", ["paper", "official"])
    @pytest.mark.parametrize("some", [False, True])
    def test_lav_computes_both_regularizers_at_once(self, variant, some, monkeypatch):
        x, y = (torch.tensor(random((2, 5, 3), seed), device=DEVICE) for seed in (38, 39))
        x, y = x.requires_grad_(), y.requires_grad_()
        of_x, of_y = {}, {}
        if some:  # of one side alone, where the other's are to be what they are by default
            of_x = {"lengths": lengths(3, 5)}
            of_y["times"] = 2 * torch.arange(5, device=DEVICE).expand(2, 5)
            of_y["video_lengths"] = lengths(9, 30)
        options = {"sigma": 1, "margin": 0.3, "variant": variant, "backend": "triton"}
        batches = []
        idm = kernels.contrastive_idm
        monkeypatch.setattr(
            kernels,
            "contrastive_idm",
            lambda z, *others: [batches.append(len(z)), idm(z, *others)][1],
        )
        both = {f"{name}_x": each for name, each in of_x.items()}
        both |= {f"{name}_y": each for name, each in of_y.items()}
        terms = lav_loss(x, y, gamma=0.5, **options, **both)
        expected = sum(contrastive_idm(z, **options, **each) for z, each in ((x, of_x), (y, of_y)))
        if variant == "official":
            expected = expected * 2 / ((of_x["lengths"] if some else 5) + 5)
        assert batches == [4, 2, 2]
        torch.testing.assert_close(terms.regularizer, expected, rtol=1e-15, atol=0)
        found, right = (
            torch.autograd.grad(each.sum(), (x, y)) for each in (terms.regularizer, expected)
        )
        torch.testing.assert_close(found, right, rtol=1e-14, atol=0)

    def test_a_planted_fault_is_found(self, monkeypatch, tiny_tiles):
        D = [random((5, 7), 27)]
        check_soft_dtw(D, 0.1)
        # Tiles that ignore what comes back from the tile to the right.
        flow = tiny_tiles.Tiles.flow

        def forgetful(self, at, E=None):
            self._passed_left.zero_()
            flow(self, at, E)

        monkeypatch.setattr(tiny_tiles.Tiles, "flow", forgetful)
        with pytest.raises(AssertionError):
            check_soft_dtw(D, 0.1)

    def test_a_wrong_digit_is_found(self, monkeypatch):
        from tacref.losses.backends.triton import tiles

        monkeypatch.setattr(tiles, "LN2", tiles.LN2 * (1 + 10**-10))
        tiles._steps.cache_clear()
        with pytest.raises(AssertionError):
            check_soft_dtw([random((4, 4), 28)], 0.1)
        tiles._steps.cache_clear()

    @pytest.mark.skipif(not INTERPRETED, reason="a device does not tell who writes where")
    def test_a_race_is_found(self, tiny_tiles):
        from tacref.losses.backends.triton import idm

        x, rows, _ = padded([random((3, 2), 30), random((3, 2), 31)])
        for row_blocks in (1, 0):
            # With 0 blocks of rows an item, both items' sums go to the same place.
            arguments = (x, rows, rows, rows, x, torch.empty(2).double(), 0, 0, 3, 16, 2)
            launch = idm.idm_pairs[(2, 1)]
            options = {
                **{"BI": 16, "BJ": 32, "GRAD": False, "IN_SOURCE_FRAMES": False},
                **{"NEAR_WEIGHT_FALLS": True, "FAR_WEIGHT_RISES": True},
                **{"OF_ROOTS": False, "MEAN_OVER_PAIRS": False},
            }
            numbers = (row_blocks, *x.stride(), 1, 1, 1, tiny_tiles.bits(1.0))
            if row_blocks:
                launch(*arguments, *numbers, **options)
            else:
                with pytest.raises(AssertionError):
                    launch(*arguments, *numbers, **options)
