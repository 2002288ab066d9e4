"""Compare the losses of two builds of this project, bit for bit, on fixed inputs.

python -m benchmarks.loss_bits OTHER_CHECKOUT

Values and gradients of every loss and of the reference: several shapes, dtypes, lengths, backends,
numbers of threads. Prints what differs, and by how much relative to the largest number.
"""

import os
import pickle
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

VARIANTS = ("paper", "official", "printed", "laser")


def results():
    """Return values and gradients by what they are of."""
    import torch

    found = {}
    for dtype in (torch.float64, torch.float32, torch.float16):
        for shape in ((1, 1, 1, 1), (3, 7, 5, 4), (32, 20, 20, 128), (2, 130, 200, 16)):
            for threads in (1, 2):
                torch.set_num_threads(threads)
                for backend in ("cpu", "torch"):
                    for ragged in (False, True):
                        about = (str(dtype), shape, threads, backend, ragged)
                        found |= of_embeddings(about, dtype, shape, backend, ragged)
    return found | of_reference()


def of_embeddings(about, dtype, shape, backend, ragged):
    """Return the results of every loss in torch, for inputs of a kind."""
    import torch

    from tacref import losses

    B, n, m, d = shape
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(B, k, d, generator=generator).to(dtype) for k in (n, m))
    valid = {
        name: torch.randint(1, k + 1, (B,), generator=generator)
        for name, k in (("lengths_x", n), ("lengths_y", m))
    }
    lengths = valid if ragged else {}
    alone = {"lengths": valid["lengths_x"]} if ragged else {}
    steps = torch.arange(max(n, m)).expand(B, -1) * 3
    source = {"times": steps[:, :n], "video_lengths": [3 * n + 1] * B}
    sources = {
        **{"times_x": steps[:, :n], "times_y": steps[:, :m]},
        **{"video_lengths_x": [3 * n] * B, "video_lengths_y": [3 * m] * B},
    }
    soft = {"backend": backend} | lengths
    calls = {
        "soft-DTW": lambda x, y: losses.SoftDTWLoss(reduction="none", backend=backend)(
            x, y, **lengths
        ),
        "soft-DTW of costs": lambda x, y: losses.soft_dtw(losses.cost_matrix(x, y), 0.5, **soft),
        "expected alignment": lambda x, y: losses.expected_alignment(
            losses.cost_matrix(x, y), 0.5, **soft
        ),
        "divergence": lambda x, y: losses.soft_dtw_divergence(x, y, gamma=0.3, **soft),
    }
    for variant in VARIANTS:
        options = {"sigma": 5, "margin": 2.0, "variant": variant, "backend": backend}
        calls[f"Contrastive-IDM {variant}"] = lambda x, y, options=options: losses.contrastive_idm(
            x, **source, **alone, **options
        )
        calls[f"LAV {variant}"] = lambda x, y, options=options: (
            losses.lav_loss(x, y, alpha=0.3, **sources, **lengths, **options).loss
        )
    if backend == "cpu":
        calls["TCC"] = lambda x, y: losses.tcc_loss(x, y, **lengths)
        calls["sequence contrastive"] = lambda x, y: losses.sequence_contrastive_loss(
            x, y, **lengths
        )
    found = {}
    for name, call in calls.items():
        inputs = [z.clone().requires_grad_() for z in (x, y)]
        value = call(*inputs)
        gradients = ()
        if value.requires_grad:  # of one frame, some have none
            gradients = torch.autograd.grad(value.sum(), inputs, allow_unused=True)
        arrays = [z.detach().numpy() for z in (value, *gradients) if z is not None]
        found[*about, name] = arrays
    return found


def of_reference():
    """Return the results of the reference."""
    import numpy as np

    from tacref import reference

    found = {}
    for n, m in ((1, 1), (9, 7), (40, 50)):
        rng = np.random.default_rng(n)
        x, y = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
        D = reference.cost_matrix(x, y)
        calls = {
            "soft-DTW": lambda D=D: reference.soft_dtw_value_and_grad(D, gamma=0.2),
            "Hessian": lambda D=D: (reference.soft_dtw_hvp(D, D, gamma=0.3),),
            "divergence": lambda x=x, y=y: reference.soft_dtw_divergence_value_and_grad(x, y),
            "TCC": lambda x=x, y=y: reference.tcc_loss_value_and_grad(x, y),
        }
        for variant in VARIANTS:
            options = {"alpha": 0.3, "sigma": 5, "margin": 2.0, "variant": variant}
            calls[f"LAV {variant}"] = lambda x=x, y=y, options=options: (
                reference.lav_loss_value_and_grad(x, y, **options)
            )
        for name, call in calls.items():
            found["reference", n, name] = [np.asarray(each) for each in call()]
    return found


def in_build(checkout, file):
    """Have a process compute with a checkout; return its results."""
    paths = os.pathsep.join(str(checkout / part) for part in ("", "export"))
    code = "import pickle, sys; from loss_bits import results; "
    code += "pickle.dump(results(), open(sys.argv[1], 'wb'))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((paths, str(Path(__file__).parent)))}
    subprocess.run([sys.executable, "-P", "-c", code, file], env=environment, check=True)
    with open(file, "rb") as opened:
        return pickle.load(opened)  # our own, of a moment ago


def main():
    """Print how many results are the same, and which are not."""
    import numpy as np

    other, here = Path(sys.argv[1]).resolve(), Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as folder:
        before, after = (
            in_build(root, f"{folder}/{number}") for number, root in enumerate((other, here))
        )
    different, largest = defaultdict(int), defaultdict(float)
    for key, arrays in before.items():
        for old, new in zip(arrays, after[key], strict=True):
            if not np.array_equal(old, new, equal_nan=True) or old.dtype != new.dtype:
                kind = (key[0], *key[3:4], key[-1])
                gap = np.abs(old.astype(float) - new).max() / np.abs(old.astype(float)).max()
                different[kind], largest[kind] = different[kind] + 1, max(largest[kind], gap)
    count = sum(map(len, before.values()))
    print(f"{count - sum(different.values())} of {count} values and gradients are the same bits")
    for kind, number in sorted(different.items(), key=str):
        print(f"{', '.join(map(str, kind))}: {number} differ, by up to {largest[kind]:.1e}")


if __name__ == "__main__":
    main()
