"""``--set key=value`` as a layer over files, read by the same reader as the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ablab.errors import Problem, SpecError
from ablab.spec.experiment import Level
from ablab.spec.overlay import nested
from ablab.spec.reader import Mark, Tree, read_text

SOURCE = "--set"
_MARK = Mark(SOURCE, None)
_FREE_KEYS = ("factors", "cells", "space")
"""Mappings of a study whose own keys may hold dots."""


@dataclass(frozen=True, slots=True)
class Layers:
    """What the overrides set, as one layer over experiments and one over the study."""

    experiment: Tree = field(default_factory=lambda: Tree({}, _MARK))
    study: Tree = field(default_factory=lambda: Tree({}, _MARK))


def parse_override(text: str) -> tuple[str, Level]:
    """One override as key and plain value.

    >>> parse_override("training.betas=[0.9, 0.98]")
    ('training.betas', [0.9, 0.98])
    """
    key, tree = _parse(text)
    return key, tree.plain()


def layers(texts: Sequence[str], kind: str = "grid") -> tuple[Layers, tuple[Problem, ...]]:
    """All overrides as layers, independent of their order, and every fault found on the way.

    kind: of the study; what begins with it, and a dot, addresses the study.
    """
    problems: list[Problem] = []
    roots: dict[bool, dict[str, Tree]] = {False: {}, True: {}}
    for text in texts:
        try:
            key, tree = _parse(text)
        except SpecError as error:
            problems += error.problems
            continue
        of_study = key.startswith(f"{kind}.")
        layer = _study_layer(key.removeprefix(f"{kind}."), tree) if of_study else nested(key, tree, _MARK)
        _join(roots[of_study], layer, kind if of_study else "", problems)
    return Layers(Tree(roots[False], _MARK), Tree(roots[True], _MARK)), tuple(problems)


def _parse(text: str) -> tuple[str, Tree]:
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not all(part.strip() for part in key.split(".")):
        reason = f"{text!r} is not key=value; write for example --set training.epochs=20"
        raise SpecError([Problem(SOURCE, None, "", reason)])
    if not value.strip():
        return key, Tree(None, _MARK)
    try:
        document = read_text(value, SOURCE, numbered=False)
    except SpecError as error:
        hint = f"in {text!r}; quote a text that holds special characters"
        raise SpecError(
            [Problem(SOURCE, None, key, f"{each.reason} ({hint})") for each in error.problems]
        ) from error
    if document.problems:
        raise SpecError([Problem(SOURCE, None, key, problem.reason) for problem in document.problems])
    return key, document.tree


def _study_layer(key: str, tree: Tree) -> Tree:
    first, _, rest = key.partition(".")
    if first in _FREE_KEYS and rest:
        return Tree({first: Tree({rest: tree}, _MARK)}, _MARK)
    return nested(key, tree, _MARK)


def _join(into: dict[str, Tree], layer: Tree, prefix: str, problems: list[Problem]) -> None:
    assert isinstance(layer.value, dict)
    for name, entry in layer.value.items():
        key = f"{prefix}.{name}" if prefix else name
        present = into.get(name)
        if present is None:
            into[name] = entry
        elif isinstance(present.value, dict) and isinstance(entry.value, dict):
            inner = dict(present.value)
            _join(inner, entry, key, problems)
            into[name] = Tree(inner, _MARK)
        else:
            problems.append(Problem(SOURCE, None, key, "is set twice"))
