"""The cases that docstrings of specs and designs show are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import ablab.designs
import ablab.spec

MODULES = [
    module.name
    for package in (ablab.spec, ablab.designs)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_cases_in_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
