"""Whether this process was forked: it lacks its parent's threads, and OpenMP would wait for them.

`import tacref` loads this module, so that forks before the first call are also noticed.
"""

import os
import sys

_forked = False


def forked() -> bool:
    """Return whether this process was forked, by `multiprocessing` or after tacref was imported."""
    multiprocessing = sys.modules.get("multiprocessing")
    return _forked or (
        multiprocessing is not None
        and multiprocessing.parent_process() is not None
        and multiprocessing.get_start_method(allow_none=True) not in ("spawn", "forkserver")
    )


def _note_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
