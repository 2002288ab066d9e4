"""Folders of the user's own."""

import os
import sys
from pathlib import Path


def default_cache_folder() -> Path:
    """Return the folder for features in the user's cache folder."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tacref" / "features"
