"""Data for the tests of training."""

import pytest

from tests.training.training_data import make_features


@pytest.fixture(scope="session")
def sequences(tmp_path_factory):
    """Return a data set of feature sequences with three held-out ones."""
    return make_features(tmp_path_factory.mktemp("sequences"), val=3)


@pytest.fixture(scope="session")
def sequences_without_val(tmp_path_factory):
    """Return the same without held-out ones, where tau only takes time."""
    return make_features(tmp_path_factory.mktemp("no_val"))
