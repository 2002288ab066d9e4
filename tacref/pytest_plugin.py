"""The fixture `assert_loss_correct`, which pytest finds where tacref is installed.

pytest loads this module at every start, in any project: it imports nothing but pytest.
"""

from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def assert_loss_correct() -> Callable[..., None]:
    """Check a loss against right answers: `assert_loss_correct(my_loss, "soft_dtw")`.

    A failure shows the report card. Options are those of `tacref.verify.check`.
    """
    from tacref import verify

    return verify.assert_loss_correct
