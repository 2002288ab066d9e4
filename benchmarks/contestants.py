"""Who computes what: ours and other libraries, behind one signature for each task.

The libraries are imported when a contestant is loaded, so that one which is missing is no error.
"""

import importlib.metadata
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

GAMMA = 0.1
FUSED = {"cpu": "cpu", "cuda": "triton"}  # backend that is measured as ours, by device

# Largest error of a value allowed, over the larger of 1 and the value itself.
EXACT = 1e-10  # float64 throughout
ROUNDED = 1e-6  # rounded to float32 once
SINGLE = 1e-4  # float32 on the way, or rounded there

ROOT = "sum of squared distances under a root, squared here"
SQUARED = "sum of squared distances"


@dataclass(frozen=True)
class Contestant:
    """An implementation of a task.

    Parameters
    ----------
    name : str
        As in the tables; starts with "tacref" for ours.
    load : callable of str
        Imports what it needs, and returns the function for a device, "cpu" or "cuda".
    package : str or None
        The distribution that it comes from; None for ours.
    tolerance : dict of str to float
        Error of a value that is allowed, by dtype of the inputs; the dtypes are those it takes.
    devices : tuple of str
        Where it runs.
    tensors : bool
        It takes torch tensors on the device, not NumPy arrays.
    unsigned : bool
        It returns the absolute value.
    summed : bool
        It returns one number for the batch, the sum over its items.
    note : str
        What it computes, and how.
    """

    name: str
    load: Callable[[str], Callable[..., Any]]
    package: str | None
    tolerance: dict[str, float]
    devices: tuple[str, ...] = ("cpu",)
    tensors: bool = False
    unsigned: bool = False
    summed: bool = False
    note: str = SQUARED

    @property
    def installed(self) -> bool:
        """Whether its distribution is there."""
        return self.package is None or self.version is not None

    @property
    def version(self) -> str | None:
        """Version of its distribution, if that is there."""
        try:
            return importlib.metadata.version(self.package or "tacref")
        except importlib.metadata.PackageNotFoundError:
            return None


def _ours(
    loss: str, attribute: str | None = None, backend: str | None = None
) -> Callable[[str], Callable[..., Any]]:
    """Return how to load a module of `tacref.losses` with its default numbers."""

    def load(device: str) -> Callable[..., Any]:
        made = getattr(importlib.import_module("tacref.losses"), loss)(
            gamma=GAMMA, reduction="none", backend=backend or FUSED[device]
        )
        return made if attribute is None else lambda x, y: getattr(made(x, y), attribute)

    return load


def _one_by_one(function: Callable[..., Any]) -> Callable[..., list[Any]]:
    return lambda x, y: [function(a, b) for a, b in zip(x, y, strict=True)]


def _batches(module: str, function: str = "loss") -> Callable[[str], Callable[..., Any]]:
    """Return how to load a soft-DTW of batches of tensors."""
    return lambda device: partial(getattr(importlib.import_module(module), function), gamma=GAMMA)


def _pairs(module: str, function: str, **options: float) -> Callable[[str], Callable[..., Any]]:
    """Return how to load a function of one pair of arrays, to be called pair by pair."""

    def load(device: str) -> Callable[..., Any]:
        found = getattr(importlib.import_module(module), function)
        return _one_by_one(partial(found, **options))

    return load


BOTH = {"float32": ROUNDED, "float64": EXACT}
ONLY64 = {"float64": EXACT}
ANYWHERE = ("cpu", "cuda")
PEERS = "benchmarks.peers"

OURS, TORCH, OURS_LAV, TORCH_LAV = (
    Contestant(
        "tacref" if backend is None else f"tacref, backend {backend}",
        _ours(loss, attribute, backend),
        None,
        BOTH,
        ANYWHERE,
        tensors=True,
        note=f"{SQUARED}; float64, but for what docs/losses.md says of float32",
    )
    for loss, attribute in (("SoftDTWLoss", None), ("LAVLoss", "loss"))
    for backend in (None, "torch")
)

LAV = (OURS_LAV, TORCH_LAV)
GRADIENT = (
    OURS,
    TORCH,
    Contestant(
        "pysdtw",
        _batches(f"{PEERS}.pysdtw_adapter"),
        "pysdtw",
        {"float32": SINGLE, "float64": SINGLE},
        ANYWHERE,
        tensors=True,
        note="squared distances by their expansion; sums rounded to float32 before the gradient",
    ),
    Contestant(
        "tslearn",
        _batches(f"{PEERS}.tslearn_adapter"),
        "tslearn",
        {"float32": SINGLE, "float64": SINGLE},
        ANYWHERE,
        tensors=True,
        note="all differences (B, n, n, d) at once; sums rounded to float32 before the gradient; "
        "computed on the CPU for any device",
    ),
    Contestant(
        "ddtw",
        _batches(f"{PEERS}.ddtw_adapter", "summed_loss"),
        "ddtw",
        {"float32": ROUNDED, "float64": EXACT},
        tensors=True,
        summed=True,
        note="all differences (B, n, n, d) at once; in the dtype of the inputs; one mean for the "
        "batch, multiplied by B",
    ),
)
VALUE = (
    OURS,
    TORCH,
    Contestant(
        "aeon",
        _pairs(f"{PEERS}.aeon_adapter", "soft_loss", gamma=GAMMA),
        "aeon",
        ONLY64,
        unsigned=True,
        note="absolute value of soft-DTW, compared with that; pair by pair",
    ),
    Contestant(
        "tslearn",
        _pairs(f"{PEERS}.tslearn_adapter", "soft_loss", gamma=GAMMA),
        "tslearn",
        ONLY64,
        note=f"{SQUARED}; pair by pair",
    ),
)
DTW = (
    Contestant("tacref", _pairs("tacref.alignment", "dtw"), None, ONLY64),
    Contestant("aeon", _pairs(f"{PEERS}.aeon_adapter", "loss"), "aeon", ONLY64),
    Contestant(
        "dtaidistance",
        _pairs(f"{PEERS}.dtaidistance_adapter", "fast_loss"),
        "dtaidistance",
        ONLY64,
        note=f"{ROOT}; C library",
    ),
    Contestant("librosa", _pairs(f"{PEERS}.librosa_adapter", "loss"), "librosa", ONLY64),
    Contestant("dtw-python", _pairs(f"{PEERS}.dtw_python_adapter", "loss"), "dtw-python", ONLY64),
)
PATH = (
    Contestant("tacref", _pairs("tacref.alignment", "dtw_path"), None, ONLY64),
    Contestant("aeon", _pairs(f"{PEERS}.aeon_adapter", "path"), "aeon", ONLY64),
    Contestant(
        "dtaidistance",
        _pairs(f"{PEERS}.dtaidistance_adapter", "fast_path"),
        "dtaidistance",
        ONLY64,
        note="least root, so the same path; C library",
    ),
    Contestant("librosa", _pairs(f"{PEERS}.librosa_adapter", "path"), "librosa", ONLY64),
    Contestant("dtw-python", _pairs(f"{PEERS}.dtw_python_adapter", "path"), "dtw-python", ONLY64),
)
if sys.version_info >= (3, 12):  # which it needs
    torchdtw = _pairs(f"{PEERS}.torchdtw_adapter", "path")
    PATH += (Contestant("torchdtw", torchdtw, "torchdtw", ONLY64, note="of torch.cdist, squared"),)
