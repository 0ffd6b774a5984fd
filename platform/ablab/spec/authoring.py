"""New spec files: written as text, read back to prove that they load, and put in place in one step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ablab.errors import InputError, Problem, SpecError
from ablab.paths import is_safe_name
from ablab.spec.claims_file import claims_in
from ablab.spec.claims_template import TEMPLATE
from ablab.spec.experiment import Level
from ablab.spec.grid import DesignName
from ablab.spec.identity import flatten
from ablab.spec.load import experiment_in, grid_in, load_experiment
from ablab.spec.overrides import SOURCE, layers, parse_override
from ablab.spec.reader import read_text
from ablab.spec.writing import experiment_yaml, grid_yaml

_GIVEN = ("kind", "name", "base", "factors", "design", "seeds", "cells")
"""Grid keys that options and arguments give."""


def new_experiment(
    name: str, extends: Path, overrides: Sequence[str], folder: Path, *, force: bool = False
) -> Path:
    """Write ``folder/name.yaml``, which extends another experiment and sets ``key=value`` overrides."""
    path = _target(name, folder, force)
    meant = flatten(load_experiment(extends, overrides).experiment)
    set_layers, _ = layers(overrides)
    values = {key: meant[key] for key, _ in set_layers.experiment.leaves()}
    if "name" in values:
        raise SpecError([Problem(SOURCE, None, "name", "is given by NAME")])
    text = experiment_yaml(name, values, extends=_relative(extends, folder))
    written = flatten(experiment_in(read_text(text, str(path)), path).experiment)
    differing = [key for key in meant if key not in ("name", "notes") and written.get(key) != meant[key]]
    # A text that loads as something else than was meant would be worse than none.
    assert not differing, (path, differing)
    return put(path, text)


def new_grid(
    name: str,
    base: Path,
    factors: Sequence[str],
    seeds: int,
    folder: Path,
    *,
    design: DesignName = "full_factorial",
    overrides: Sequence[str] = (),
    force: bool = False,
) -> Path:
    """Write ``folder/name.yaml``: a grid over ``base`` with ``seeds`` replicates of each cell.

    ``factors`` are ``key=a,b,c``, ``overrides`` ``grid.key=value``, such as ``grid.analysis.sesoi=0.02``.
    """
    path = _target(name, folder, force)
    load_experiment(base)
    values = _grid_values(overrides)
    levels = _levels(factors)
    text = grid_yaml(name, _relative(base, folder), levels, range(seeds), design=design, values=values)
    try:
        grid_in(read_text(text, str(path)), path)
    except SpecError as error:
        raise SpecError([_as_given(problem, path) for problem in error.problems]) from error
    return put(path, text)


def new_claims(name: str, folder: Path, *, force: bool = False) -> Path:
    """Write ``folder/name.yaml``: a claims file with one example of every kind of quantity."""
    path = _target(name, folder, force)
    text = TEMPLATE.replace("NAME", name, 1).replace("FILE", str(path), 1)
    claims_in(read_text(text, str(path)), path)
    return put(path, text)


def parse_factor(text: str) -> tuple[str, list[Level]]:
    """``key=a,b,c`` as key and levels.

    >>> parse_factor("improvements.gradient_scale=1.0,2.0")
    ('improvements.gradient_scale', [1.0, 2.0])
    """
    key, equals, levels = text.partition("=")
    if not equals or not levels:
        reason = f"{text!r} is not key=level,level; write for example improvements.mlp_head=false,true"
        raise SpecError([Problem("--factor", None, "", reason)])
    try:
        key, values = parse_override(f"{key}=[{levels}]")
    except SpecError as error:
        problems = [Problem("--factor", None, each.key, each.reason) for each in error.problems]
        raise SpecError(problems) from error
    assert isinstance(values, list)
    return key, values


def _target(name: str, folder: Path, force: bool) -> Path:
    if not is_safe_name(name):
        raise InputError(
            f"{name!r} cannot name a file: at most 128 letters, digits, '_', '.', '-', not '.' or '-' first"
        )
    path = folder / f"{name}.yaml"
    if path.exists() and not force:
        raise InputError(f"{path}: is there already; choose another name, or write over it with --force")
    return path


def _relative(file: Path, folder: Path) -> str:
    return Path(os.path.relpath(file.absolute(), folder.absolute())).as_posix()


def _levels(factors: Sequence[str]) -> dict[str, list[Level]]:
    levels: dict[str, list[Level]] = {}
    for key, values in map(parse_factor, factors):
        if key in levels:
            raise SpecError([Problem("--factor", None, key, "is given twice")])
        levels[key] = values
    return levels


def _grid_values(overrides: Sequence[str]) -> dict[str, Level]:
    set_layers, found = layers(overrides)
    problems = list(found)
    for key, _ in set_layers.experiment.leaves():
        reason = "addresses the base experiment; write one that sets it with: ablab experiment new"
        problems += [Problem(SOURCE, None, key, reason)] if key else []
    values = {key: leaf.plain() for key, leaf in set_layers.study.leaves() if key}
    for key in values:
        if key.partition(".")[0] in _GIVEN:
            problems.append(Problem(SOURCE, None, f"grid.{key}", "is given by its own option or argument"))
    if problems:
        raise SpecError(problems)
    return values


def _as_given(problem: Problem, path: Path) -> Problem:
    """A fault of the unwritten file, named after the option that it comes from."""
    if problem.source != str(path):
        return problem
    if problem.key.startswith("factors."):
        return Problem("--factor", None, problem.key.removeprefix("factors."), problem.reason)
    return Problem(SOURCE, None, f"grid.{problem.key}", problem.reason)


def put(path: Path, text: str) -> Path:
    """Write a text in one step; InputError where that cannot be."""
    # Beside the target and hidden: a rename within one folder is one step, and a listing does not see it.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    return path
