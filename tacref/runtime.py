"""Loading onnxruntime, from wherever it is needed."""

import os
from types import ModuleType

# Entry of a session's configuration: the folder with the weights of a model that is not opened by
# its path.
WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"


def onnxruntime() -> ModuleType:
    """Return the package, imported on the first call.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.
    """
    # From version 1.29 on, it reports to its maker unless this is set when it is first imported:
    # then it makes no device id, keeps no record of runs and opens no connection.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime
