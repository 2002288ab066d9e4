"""What the workers of a test run share: a folder, in which one of them makes what all need."""

import os
import pickle
import time
from contextlib import ExitStack, contextmanager

from tacref.files import replacing
from tacref.locks import locked


def shared_folder(tmp_path_factory):
    """Return the folder of this test run, which is the same for all workers."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def made_once(path, make):
    """Return what `make` returns; of all workers, the first one calls it and pickles the result."""
    with turn(path):
        if not path.exists():
            made = make()
            with replacing(path) as temporary:
                temporary.write_bytes(pickle.dumps(made))
    return pickle.loads(path.read_bytes())


@contextmanager
def turn(path):
    """Hold a path for the length of the block, once no other worker does."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(path))
                break
            except ValueError:  # it is being written by another worker
                time.sleep(0.05)
        yield
