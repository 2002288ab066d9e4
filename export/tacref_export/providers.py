"""Where a session runs: as requested and verified, without silent fallback."""

import os
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from tacref.memory import memory_errors
from tacref.providers import PROVIDERS, cuda_options, missing_parts
from tacref.runtime import WEIGHTS_FOLDER, onnxruntime

MAX_THREADS = 1024  # onnxruntime starts any number, whatever the machine has

# Operators that onnxruntime runs on the CPU on purpose, whatever the provider: counts of frames and
# rows, a few bytes each. Other operators there belong to the encoder itself.
_SHAPE_OPERATORS = frozenset((
    "Add", "Cast", "Clip", "Concat", "ConstantOfShape", "CumSum", "Div", "Expand", "Gather", "Max",
    "MemcpyFromHost", "MemcpyToHost", "Min", "Mul", "Range", "Reshape", "Shape", "Slice",
    "Squeeze", "Sub", "Unsqueeze",
))  # fmt: skip


def check_providers(providers: str | Sequence[str]) -> tuple[str, ...]:
    """Return providers as a tuple of known names.

    Raises
    ------
    ValueError
        If one is unknown, there are none, or the CPU is not the last.
    """
    names = (providers,) if isinstance(providers, str) else tuple(providers)
    for name in names:
        if not isinstance(name, str) or name not in PROVIDERS:
            raise ValueError(f"providers must be of {', '.join(PROVIDERS)}, got {name!r}")
    if not names:
        raise ValueError(f"providers must name at least one of {', '.join(PROVIDERS)}")
    if "cpu" in names[:-1]:
        raise ValueError(f"providers: cpu runs everything, so it must be last, got {names}")
    return names


def check_threads(threads: int) -> None:
    """Refuse a number of CPU threads that is not from 0 to 1024.

    Raises
    ------
    ValueError
        If it is not.
    """
    whole = isinstance(threads, Integral) and not isinstance(threads, bool)
    if not (whole and 0 <= threads <= MAX_THREADS):
        raise ValueError(f"threads must be a whole number from 0 to {MAX_THREADS}, got {threads!r}")


def open_session(
    path: str | Path,
    model: bytes,
    providers: Sequence[str],
    *,
    weights_folder: Path | None = None,
    allow_cpu: bool,
    tf32: bool,
    cuda_graph: bool,
    threads: int,
) -> Any:
    """Open an onnxruntime session that runs on the requested providers.

    Parameters
    ----------
    path : str or Path
        Path of the model, for messages.
    model : bytes
        A serialized model.
    providers : sequence of {"cpu", "cuda", "tensorrt"}
        In order of preference.
    weights_folder : Path, optional
        Folder of the file with its weights, if they are not in the model.
    allow_cpu : bool
        Whether the CPU may run all or part of it if a provider is not available.
    tf32, cuda_graph : bool
        Options of the CUDA and TensorRT providers.
    threads : int
        CPU threads; 0 lets onnxruntime choose.

    Returns
    -------
    onnxruntime.InferenceSession
        The session.

    Raises
    ------
    ValueError
        If a provider is not available, or part of the encoder would run elsewhere; names what is
        missing. Also if onnxruntime cannot read the model, or part of it is in another file.
    MemoryError
        If there is not enough memory.
    """
    ort = onnxruntime()
    requested = [name for name in providers if name != "cpu"]
    missing = {name: parts for name in requested if (parts := missing_parts(name))}
    if missing and not allow_cpu:
        reasons = "; ".join(f"{name} is not available here: {missing[name]}" for name in missing)
        raise ValueError(f"{reasons}. {_CPU_INSTEAD}")
    requested = [name for name in requested if name not in missing]
    # Its provider has no option for TF32.
    if "tensorrt" in requested and not tf32 and os.environ.get("NVIDIA_TF32_OVERRIDE") != "0":
        raise ValueError(
            "TensorRT computes float32 in TF32, about 1e-3 off, unless "
            "NVIDIA_TF32_OVERRIDE=0 is in the environment; set it (in Python, tf32=True accepts it)"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = int(threads)
    options.log_severity_level = 4  # errors are raised below
    options.enable_mem_pattern = False  # it would keep memory for each number of frames
    if not requested:
        # Threads that wait for work would take the cores from those that decode the next frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    # Weights in other files are read only if they were checked: hashes cover no others.
    options.add_session_config_entry(
        WEIGHTS_FOLDER, os.devnull if weights_folder is None else str(weights_folder)
    )
    with_options = [(PROVIDERS[name], _options(name, tf32, cuda_graph)) for name in requested]
    try:
        with memory_errors(f"the session of {path}"):
            # By default, if a provider fails, it prints that and goes on with the CPU.
            session = ort.InferenceSession(
                model, options, [*with_options, (PROVIDERS["cpu"], {})], enable_fallback=0
            )
    except MemoryError:
        raise
    except Exception as error:  # onnxruntime's kinds of error share no public base
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: onnxruntime cannot run it ({reason})") from None
    if not allow_cpu:
        _check_placement(session, requested)
    return session


def placement(session: Any) -> dict[str, list[str]]:
    """Return the operators that each provider runs, after optimization.

    Returns
    -------
    dict of str to list of str
        Provider, such as "cuda" (or onnxruntime's name if it has none here), to the operator of
        each of its nodes.
    """
    names = {full: name for name, full in PROVIDERS.items()}
    nodes: dict[str, list[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        operators = nodes.setdefault(names.get(part.ep_name, part.ep_name), [])
        operators.extend(node.op_type for node in part.get_nodes())
    return nodes


def _check_placement(session: Any, requested: Sequence[str]) -> None:
    active = session.get_providers()
    for name in requested:
        if PROVIDERS[name] not in active:
            raise ValueError(
                f"{name} was requested, but the session has {active}; onnxruntime could not "
                "start it, and its log says why"
            )
    if not requested:
        return
    elsewhere = sorted({
        operator
        for provider, operators in placement(session).items()
        if provider not in requested
        for operator in operators
        if operator not in _SHAPE_OPERATORS
    })  # fmt: skip
    if elsewhere:
        raise ValueError(
            f"{', '.join(requested)} would leave {', '.join(elsewhere)} to the CPU. {_CPU_INSTEAD}"
        )


_CPU_INSTEAD = "--device cpu runs all of it on the CPU (in Python, allow_cpu=True accepts that)"


def _options(provider: str, tf32: bool, cuda_graph: bool) -> dict[str, str]:
    if provider == "cuda":
        return cuda_options(tf32=tf32) | {"enable_cuda_graph": str(int(cuda_graph))}
    return {"trt_cuda_graph_enable": str(cuda_graph)}
