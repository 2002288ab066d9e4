"""Import the function that a command names."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tacref.terminal import printable
from tacref.verify.guard import SubjectError, guarded


def load_callable(target: str) -> Callable[..., Any]:
    """Import `module:name`, with the current folder on the path.

    Raises
    ------
    ValueError
        If `target` has another form, cannot be imported, or is not callable.
    """
    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute):
        raise ValueError(f"function must be given as module:name, got {target!r}")
    if not all(map(str.isidentifier, module_name.split("."))):
        raise ValueError(
            f"{printable(module_name)}: is no name of a module; run the command in its folder, "
            "and give module:name"
        )
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        with guarded(set(), restores=False):
            fn: Any = importlib.import_module(module_name)
            for part in attribute.split("."):
                fn = getattr(fn, part)
    except SubjectError as error:  # importing runs foreign code
        reason = str(error).removeprefix("raised ")
        raise ValueError(printable(f"{target}: cannot be imported ({reason})")) from error
    if not callable(fn):
        raise ValueError(f"{printable(target)}: is a {type(fn).__name__}, not a function")
    return fn
