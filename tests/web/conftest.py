"""What the JavaScript tests share."""

import pytest

from tests.javascript import programs


@pytest.fixture(scope="session")
def node():
    """Return the command that runs Node; skip without it."""
    return programs()[0]
