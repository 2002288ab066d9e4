"""What this machine has and what of it works: the facts that a report of a fault needs."""

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

import numpy as np

import tacref
from tacref.cores import threads_available
from tacref.user_folders import default_cache_folder

# What the extras install, in the order of a report.
PACKAGES = (
    "numpy",
    "numba",
    "llvmlite",
    "torch",
    "triton",
    "scipy",
    "scikit-learn",
    "matplotlib",
    "av",
    "pillow",
    "safetensors",
    "tqdm",
    "onnx",
    "onnxscript",
)
# Variables that change what these packages do; by their first letters.
_VARIABLES = ("TACREF_", "NUMBA_", "OMP_", "MKL_NUM", "ORT_", "CUDA_VISIBLE", "NVIDIA_TF32")
# A model that adds a number to itself: y = x + x, operator set 13.
_DOUBLE = (
    b'\x08\x07:5\n\x0e\n\x01x\n\x01x\x12\x01y"\x03Add\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12'
    b"\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
_ABSENT = "not installed"


def report() -> dict[str, dict[str, str]]:
    """Return the facts, each a name and what is known of it, by subject."""
    # Before onnxruntime is loaded, for which one is set.
    environment = {
        name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)
    }
    return {
        "tacref": {
            "version": tacref.__version__,
            "folder": str(Path(tacref.__file__).parent),
            "Python": f"{platform.python_version()} ({platform.python_implementation()})",
            "system": platform.platform(),
        },
        "packages": packages(),
        "onnxruntime": runtimes(),
        "GPU in torch": torch_devices(),
        "threads": threads(),
        "folders": folders(),
        "environment": environment,
    }


def packages() -> dict[str, str]:
    """Return the version of each package that an extra installs."""
    return {name: _version(name) for name in PACKAGES}


def runtimes() -> dict[str, str]:
    """Return the builds of onnxruntime, and whether each provider runs a model here."""
    from tacref.providers import PROVIDERS
    from tacref.runtime import runtime_builds

    builds = runtime_builds()
    if not builds:
        return {"builds": _ABSENT}
    shown = ", ".join(f"{name} {version}" for name, version in builds.items())
    if len(builds) > 1:
        shown += "; each overwrites files of the others: uninstall all, then install one"
    return {"builds": shown} | {name: provider_state(name) for name in PROVIDERS}


def provider_state(provider: str) -> str:
    """Return "works" if a model ran on a provider just now, else why it did not."""
    from tacref.providers import PROVIDERS, missing_parts
    from tacref.runtime import onnxruntime

    try:
        if missing := missing_parts(provider):
            return missing
        ort = onnxruntime()
        options = ort.SessionOptions()
        options.log_severity_level = 4
        session = ort.InferenceSession(
            _DOUBLE, options, providers=[PROVIDERS[provider]], enable_fallback=0
        )
        if session.get_providers()[0] != PROVIDERS[provider]:
            return "onnxruntime could not start it"
        (result,) = session.run(None, {"x": np.array([1.5], np.float32)})
        return "works" if result.tolist() == [3.0] else f"computes 1.5 + 1.5 = {result[0]}"
    except Exception as error:  # onnxruntime's kinds of error share no public base
        return f"fails ({_line(error)})"


def torch_devices() -> dict[str, str]:
    """Return the GPUs that torch computes on, or why it has none."""
    if _version("torch") == _ABSENT:
        return {"torch": _ABSENT}
    try:
        import torch

        if not torch.cuda.is_available():
            build = torch.version.cuda or torch.version.hip
            return {"cuda": "no GPU found" if build else "this torch was built for the CPU alone"}
        shown = {}
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            memory = properties.total_memory / 2**30
            doubled = (torch.ones(1, device=f"cuda:{index}") * 2).item()
            state = "works" if doubled == 2 else f"computes 1 * 2 = {doubled}"
            capability = f"{properties.major}.{properties.minor}"
            shown[f"cuda:{index}"] = (
                f"{properties.name}, {memory:.0f} GiB, compute capability {capability}, {state}"
            )
        return shown
    except Exception as error:
        return {"torch": f"fails ({_line(error)})"}


def threads() -> dict[str, str]:
    """Return how many threads this process may run, and how many each library would."""
    counts = {"for this process": str(threads_available())}
    counts["Numba"] = os.environ.get("NUMBA_NUM_THREADS", str(threads_available()))
    if (torch := sys.modules.get("torch")) is not None:
        counts["torch"] = str(torch.get_num_threads())
    return counts


def folders() -> dict[str, str]:
    """Return where compiled code and features are kept, and whether that can be written."""
    from tacref import compiled

    code = next((folder for folder in compiled.code_folders() if _writable(folder)), None)
    features = default_cache_folder()
    return {
        "compiled code": str(code) if code else "nowhere: each process compiles anew",
        "features of backbones": f"{features}{'' if _writable(features) else ' (not writable)'}",
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return _ABSENT


def _writable(folder: Path) -> bool:
    """Whether a folder can be written, or made in the nearest one above that there is."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
