"""Whether this process was forked: it has none of its parent's threads, and OpenMP waits for them.

`import tacref` loads this, so that it is known also where a process forks before its first call.
"""

import os
import sys

_forked = False


def forked() -> bool:
    """Whether this process is a fork, since tacref was imported or of `multiprocessing`."""
    multiprocessing = sys.modules.get("multiprocessing")
    return _forked or (
        multiprocessing is not None
        and multiprocessing.parent_process() is not None
        and multiprocessing.get_start_method(allow_none=True) not in ("spawn", "forkserver")
    )


def _note() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note)
