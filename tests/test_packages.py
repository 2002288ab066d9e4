"""Packages: what they export hides none of their modules."""

import importlib
import pkgutil
from types import ModuleType

import pytest

import tacref
import tacref_export


def packages():
    for root in (tacref, tacref_export):
        yield root.__name__
        for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if module.ispkg:
                yield module.name


@pytest.mark.parametrize("name", list(packages()))
def test_no_attribute_hides_a_module(name):
    package = importlib.import_module(name)
    for attribute in getattr(package, "__all__", ()):
        getattr(package, attribute)  # some are loaded when they are first used
    for module in pkgutil.iter_modules(package.__path__):
        attribute = getattr(package, module.name, None)
        assert attribute is None or isinstance(attribute, ModuleType), module.name
