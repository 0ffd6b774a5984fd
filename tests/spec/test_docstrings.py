"""The cases that docstrings of specs, designs and comparisons show are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import ablab.comparison
import ablab.designs
import ablab.spec

MODULES = [
    module.name
    for package in (ablab.spec, ablab.designs, ablab.comparison)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_cases_in_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
