"""The providers of onnxruntime, which run a model on a kind of device, and what they need here."""

import contextlib
import ctypes
import io
import sys

from tacref.runtime import onnxruntime

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


def cuda_options(*, tf32: bool = False) -> dict[str, str]:
    """Return how the CUDA provider computes: whether factors may be rounded to ten bits."""
    return {
        # By default it measures all algorithms again for each number of frames.
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": str(int(tf32)),
    }


def missing_parts(provider: str) -> str:
    """Return what a provider lacks on this machine; "" if nothing is known to be missing."""
    ort = onnxruntime()

    if PROVIDERS[provider] not in ort.get_available_providers():
        return (
            f"this onnxruntime {ort.__version__} was built without it; pip uninstall onnxruntime, "
            "then pip install onnxruntime-gpu"
        )
    if provider == "cpu":
        return ""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints missing libraries
        ort.preload_dlls()
    major = str(getattr(ort, "cuda_version", "") or "").partition(".")[0]
    install = "pip install 'onnxruntime-gpu[cuda,cudnn]'"
    parts = [("NVIDIA driver", "cuda", "1", "install it from nvidia.com")]
    if major:
        parts += [
            (f"CUDA {major} libraries", name, major, install)
            for name in ("cublasLt", "cublas", "cudart")
        ]
    parts.append(("cuDNN 9", "cudnn", "9", install))
    if provider == "tensorrt":
        parts.append(("TensorRT 10", "nvinfer", "10", f"pip install tensorrt-cu{major}"))
    missing: dict[str, tuple[list[str], str]] = {}
    for part, name, major, install in parts:
        if not _loads(name, major):
            missing.setdefault(part, ([], install))[0].append(_file(name, major))
    return "; ".join(
        f"no {part} ({', '.join(files)}: {install})" for part, (files, install) in missing.items()
    )


def _file(name: str, major: str) -> str:
    if sys.platform == "win32":
        special = {"cuda": "nvcuda.dll", "nvinfer": f"nvinfer_{major}.dll"}
        return special.get(name, f"{name}64_{major}.dll")
    return f"lib{name}.so.{major}"


def _loads(name: str, major: str) -> bool:
    try:
        ctypes.CDLL(_file(name, major))
    except OSError:
        return False
    return True
