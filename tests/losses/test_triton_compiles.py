"""What Triton's interpreter cannot tell: whether the kernels compile, and keep what they count."""

import re
import sys
from pathlib import Path

import pytest
import torch

from tacref.losses.backends import triton as kernels
from tests.losses.triton_checks import INSTALLED, run_apart


@pytest.mark.skipif(not INSTALLED, reason="triton is not installed")
def test_every_kernel_compiles_for_a_device(tmp_path):
    run = run_apart(
        *("-c", f"from {__name__} import compile_launches; compile_launches()"),
        PYTHONPATH=str(Path(__file__).parents[2]),
        TRITON_CACHE_DIR=str(tmp_path),
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert set(run.stdout.split()) == {
        *(
            "sweep",
            "flow",
            "costs_of_matrix",
            "costs_of_embeddings",
            "chain",
            "idm_pairs",
            "prepare",
        )
    }


def test_triton_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    assert kernels.missing() == "triton is not installed"


# What the loops of these kernels hand from step to step, but for what they read ahead.
CARRIED = {
    "sweep": {"m_here", "e_here", "m_diagonal", "e_diagonal"},
    "flow": {"right", "up", "diagonal_now", "diagonal_before"},
}
SLOPES = {
    "sweep": {"t_here", "t_diagonal"},
    "flow": {"s_right", "s_up", "s_diagonal_now", "s_diagonal_before"},
}


def carried(ttir):
    """Names that the loops of a kernel hand from turn to turn, as its first form tells them."""
    loops = re.findall(r"iter_args\((.*?)\) ->", ttir)
    return set(re.findall(r"%([a-z_]+?)(?:_\d+)? = ", " ".join(loops)))


def compile_launches():
    """Call every function, but compile for a device what it would launch, and print its name."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile
    from triton.runtime.jit import JITFunction, mangle_type

    def run(kernel, *arguments, grid, warmup, **options):
        names = {
            each.name: options.pop(each.name) for each in kernel.params if each.name in options
        }
        bound = kernel.signature.bind(*arguments, **names).arguments
        signature, constants = {}, {}
        for number, each in enumerate(kernel.params):
            if each.is_constexpr:
                signature[each.name], constants[number,] = "constexpr", bound[each.name]
            else:
                signature[each.name] = each.annotation_type or mangle_type(bound[each.name])
        source = ASTSource(kernel, signature, constants)
        binary = compile(source, target=GPUTarget("cuda", 80, 32), options=options)
        assert grid[0] > 0
        assert binary.asm["cubin"]
        # A number that is taken for one that never changes is lost without a word.
        wanted = CARRIED.get(kernel.__name__, set())
        if names.get("SLOPE"):
            wanted = wanted | SLOPES.get(kernel.__name__, set())
        assert wanted <= carried(binary.asm["ttir"]), kernel.__name__
        print(kernel.__name__)

    JITFunction.run = run
    whole = dict.fromkeys(("lengths_x", "lengths_y"), torch.tensor([3]))
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        x, y, wide = torch.ones(1, 3, 2), torch.ones(1, 3, 2), torch.ones(1, 600, 3)
        x, y, wide = x.to(dtype), y.to(dtype), wide.to(dtype)
        kernels.soft_dtw(x @ y.mT, 0.1, **whole, band=-1, with_grad=True)
        kernels.soft_dtw(wide, 0.1, **whole, band=-1, with_grad=True)
        for each in (x @ y.mT, wide):
            kernels.soft_dtw_hvp(each, each, 0.1, **whole, band=-1)
        for rows, others in ((x, y), (wide, wide)):
            kernels.soft_dtw_of_embeddings(rows, others, 0.1, **whole, band=2, with_grad=True)
        for variant in ("paper", "official", "printed", "laser"):
            ends = torch.tensor([3]), torch.arange(3)[None], torch.tensor([3])
            kernels.contrastive_idm(x, *ends, 1.0, 2.0, variant, with_grad=True)
