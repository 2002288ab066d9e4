"""What holds for every public function: any array will do, none is changed, nothing else loads."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tacref import reference

PACKAGE = Path(reference.__file__).parent

# Each function with arguments of whole numbers, so that every type holds them exactly.
SQUARE = [[0, 1, 4], [1, 0, 2], [4, 2, 0]]
ROWS = [[0, 1], [2, 1], [3, 0]]
CALLS = {
    "alignment_matrix": ([[0, 0], [1, 1], [1, 2]],),
    "contrastive_idm": (ROWS,),
    "contrastive_idm_of_distances": (SQUARE,),
    "contrastive_idm_of_distances_value_and_grad": (SQUARE,),
    "contrastive_idm_value_and_grad": (ROWS,),
    "cost_matrix": (ROWS, ROWS[:2]),
    "cycle_back": (ROWS, ROWS[:2]),
    "dtw": (SQUARE[:2],),
    "dtw_path": (SQUARE[:2],),
    "expected_alignment": (SQUARE[:2],),
    "idm": (SQUARE,),
    "idm_loss": (SQUARE,),
    "lav_loss": (ROWS, ROWS[:2]),
    "lav_loss_value_and_grad": (ROWS, ROWS[:2]),
    "sequence_contrastive_loss": (ROWS, ROWS[:2]),
    "sequence_contrastive_loss_value_and_grad": (ROWS, ROWS[:2]),
    "sharp_soft_dtw": (SQUARE[:2],),
    "soft_dtw": (SQUARE[:2],),
    "soft_dtw_divergence": (ROWS, ROWS[:2]),
    "soft_dtw_divergence_value_and_grad": (ROWS, ROWS[:2]),
    "soft_dtw_hvp": (SQUARE[:2], SQUARE[1:]),
    "soft_dtw_value_and_grad": (SQUARE[:2],),
    "soft_nearest_neighbors": (ROWS, ROWS[:2]),
    "softmin": ([3, 1, 2],),
    "tcc_loss": (ROWS, ROWS[:2]),
    "tcc_loss_value_and_grad": (ROWS, ROWS[:2]),
}
OPTIONS = {"alignment_matrix": {"shape": (2, 3)}, "softmin": {"gamma": 0.5}}
each_function = pytest.mark.parametrize("name", CALLS)


def call(name, convert):
    arguments = [convert(argument) for argument in CALLS[name]]
    copies = [np.array(argument) for argument in arguments]
    result = getattr(reference, name)(*arguments, **OPTIONS.get(name, {}))
    for argument, copy in zip(arguments, copies, strict=True):
        assert_array_equal(argument, copy)
    return result if isinstance(result, tuple) else (result,)


def read_only(values):
    array = np.array(values, dtype=np.int64 if np.shape(values)[-1] == 2 else np.float64)
    array.flags.writeable = False
    return array


def strided(values):
    return np.repeat(np.asfortranarray(values), 2, axis=-1)[..., ::2]


def test_every_public_name_is_called():
    assert sorted(CALLS) == reference.__all__


@each_function
@pytest.mark.parametrize(
    "convert",
    [
        lambda values: values,
        lambda values: tuple(map(tuple, values)) if np.ndim(values) == 2 else tuple(values),
        lambda values: np.array(values, np.uint8),
        lambda values: np.array(values, ">i4"),
        read_only,
        strided,
    ],
    ids=["lists", "tuples", "uint8", "big-endian", "read-only", "strided"],
)
def test_any_array_gives_the_same(name, convert):
    expected = call(name, np.array)
    for actual, value in zip(call(name, convert), expected, strict=True):
        assert_array_equal(actual, value)
        assert type(actual) is type(value)


@each_function
def test_results_are_floats_and_float64(name):
    for result in call(name, np.array):
        assert isinstance(result, float | np.ndarray)
        if isinstance(result, np.ndarray):
            assert result.dtype == (np.int64 if name == "dtw_path" else np.float64)
            assert result.flags.writeable
            assert result.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_low_precision_computes_in_float64(dtype):
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(dtype)
    for low, high in zip(
        reference.lav_loss_value_and_grad(x, x[:4]),
        reference.lav_loss_value_and_grad(x.astype(np.float64), x[:4].astype(np.float64)),
        strict=True,
    ):
        assert_array_equal(low, high)


def test_options_are_keyword_only():
    with pytest.raises(TypeError, match="positional argument"):
        reference.soft_dtw([[1.0]], 0.1)
    with pytest.raises(TypeError, match="positional argument"):
        reference.dtw([[1.0]], 3)
    with pytest.raises(TypeError, match="positional argument"):
        reference.soft_dtw_hvp([[1.0]], [[1.0]], 0.1)
    with pytest.raises(TypeError, match="positional argument"):
        reference.contrastive_idm([[1.0]], 10)


def test_imports_only_math_and_numpy():
    found = set()
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module))
    ours = ("tacref.reference", "tacref.bands", "tacref.checks", "tacref.compiled")
    ours += ("tacref.ends", "tacref.reach", "tacref.steps", "tacref.variants")
    others = {name for name in found if not name.startswith(ours)}
    standard = {"collections.abc", "math", "numbers", "typing"}
    assert others == standard | {"numpy", "numpy.typing"}


def test_a_fresh_interpreter_loads_no_torch():
    code = (
        "import sys, tacref.reference as r; r.lav_loss_value_and_grad([[0.0]], [[1.0]]); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_masked_entries_are_refused():
    D = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], mask=[[0, 1], [0, 0]])
    with pytest.raises(ValueError, match="D must not have masked entries, got 1 of 4"):
        reference.soft_dtw(D)
    assert reference.soft_dtw(np.ma.masked_array(D.data)) == reference.soft_dtw(D.data)
    with pytest.raises(ValueError, match="x must not have masked entries"):
        reference.cost_matrix(D, D)
    with pytest.raises(ValueError, match="times must not have masked entries"):
        reference.contrastive_idm(
            np.eye(2), times=np.ma.masked_less([0, 1], 1), video_length=3, variant="official"
        )


def test_what_is_no_array_is_named():
    with pytest.raises(ValueError, match="D cannot be read as an array"):
        reference.soft_dtw([[1, 2], [3]])
