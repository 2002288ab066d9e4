"""Loading onnxruntime, from wherever it is needed."""

import functools
import importlib.metadata
import os
import warnings
from types import ModuleType

# Entry of a session's configuration: the folder with the weights of a model that is not opened by
# its path.
WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"

# Distributions that install the same files under the same name.
_BUILDS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
)


def onnxruntime() -> ModuleType:
    """Return the package, imported on the first call.

    The first call warns if several builds of it are installed: each overwrote files of the others.

    Raises
    ------
    ModuleNotFoundError
        If none is installed; says what to install.
    """
    # From version 1.29 on, it reports to its maker unless this is set when it is first imported:
    # then it makes no device id, keeps no record of runs and opens no connection.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        raise ModuleNotFoundError(
            "no onnxruntime: pip install 'tacref[deploy]' for GPUs, or 'tacref[deploy-cpu]' for a "
            "machine without one",
            name=error.name,
        ) from None
    _warn_of_several_builds()
    return onnxruntime


@functools.cache
def _warn_of_several_builds() -> None:
    if len(builds := runtime_builds()) > 1:
        warnings.warn(
            f"{' and '.join(builds)} are installed, and each overwrites files of the others; "
            "pip uninstall all of them, then install one",
            stacklevel=2,
        )


def runtime_builds() -> dict[str, str]:
    """Return the builds of onnxruntime that are installed, and their versions."""
    builds = {}
    for name in _BUILDS:
        try:
            builds[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return builds
