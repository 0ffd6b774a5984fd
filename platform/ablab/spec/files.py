"""Spec files on disk: an experiment with its chain of parents laid over one another, a study by its kind."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ablab.errors import Problem, SpecError
from ablab.spec.experiment import Experiment
from ablab.spec.overlay import overlay
from ablab.spec.overrides import SOURCE
from ablab.spec.reader import Document, Mark, Tree, read_file
from ablab.spec.shape import EXTENDS, blocks, nearest

STUDY_KINDS = ("grid", "search", "regression")
"""Kinds of study file that this version knows."""
_OWN_KEYS = ("name", "notes")
"""Keys that a child does not inherit: they name and describe the one file."""


@dataclass(frozen=True, slots=True)
class Chain:
    """An experiment file joined with its parents, not yet checked."""

    tree: Tree
    notices: tuple[str, ...]
    problems: tuple[Problem, ...]
    whole: bool
    """False where a parent could not be read: what hangs on other keys is then unknown."""


def existing(path: Path, mark: Mark | None, key: str) -> Path:
    """``path`` if it is there; otherwise SpecError at ``mark``, with the nearest file name beside it."""
    if path.exists():
        return path
    beside = path.parent
    siblings = [file.name for file in beside.iterdir() if file.is_file()] if beside.is_dir() else []
    near = nearest(path.name, siblings)
    hint = f" (did you mean '{beside / near}'?)" if near else ""
    if mark is None:
        raise SpecError([Problem(str(path), None, "", f"no such file{hint}")])
    raise SpecError([Problem(mark.source, mark.line, key, f"no such file: {path}{hint}")])


def beside(path: str, mark: Mark) -> Path:
    """A path as written at ``mark``: relative to that file; in an override, to the working directory."""
    folder = Path() if mark.source == SOURCE else Path(mark.source).parent
    return Path(os.path.normpath(folder / path))


def read_chain(document: Document, path: Path, above: tuple[Path, ...] = ()) -> Chain:
    """The experiment in ``document``, which stands at ``path``, laid over the files it extends."""
    tree, problems = document.tree, list(document.problems)
    if not isinstance(tree.value, dict):
        raise SpecError([*problems, _not_a_mapping(tree)])
    _refuse_study(tree, path)
    own = {name: entry for name, entry in tree.value.items() if name != EXTENDS}
    extends = tree.get(EXTENDS)
    if extends is None:
        return Chain(Tree(own, tree.mark), (), tuple(problems), True)
    try:
        parent = _parent(extends, (*above, path))
    except SpecError as error:
        return Chain(Tree(own, tree.mark), (), (*problems, *error.problems), False)
    assert isinstance(parent.tree.value, dict)
    inherited = {name: entry for name, entry in parent.tree.value.items() if name not in _OWN_KEYS}
    joined, notices = overlay(Tree(inherited, parent.tree.mark), Tree(own, tree.mark), Experiment)
    return Chain(joined, (*parent.notices, *notices), (*problems, *parent.problems), parent.whole)


def refuse_other_studies(tree: Tree, path: Path, wanted: str = "grid") -> None:
    """SpecError unless the tree is a study of the kind that is wanted."""
    mark = tree.mark
    if not isinstance(tree.value, dict):
        raise SpecError([_not_a_mapping(tree)])
    kind = tree.get("kind")
    if kind is None and set(tree.value) & {EXTENDS, *blocks(Experiment)}:
        reason = (
            f"is an experiment, not a {wanted}; give a file such as those in ablations/ ('kind: {wanted}')"
        )
        raise SpecError([Problem(str(path), None, "", reason)])
    if kind is None:
        raise SpecError([Problem(mark.source, mark.line, "kind", f"missing; write 'kind: {wanted}'")])
    if kind.value not in STUDY_KINDS:
        near = nearest(str(kind.value), STUDY_KINDS)
        known = ", ".join(f"'{each}'" for each in STUDY_KINDS)
        hint = f" (did you mean '{near}'?)" if near else ""
        reason = f"'{kind.plain()}' is not a kind of study that this version knows: {known}{hint}"
        raise SpecError([Problem(kind.mark.source, kind.mark.line, "kind", reason)])
    if kind.value != wanted:
        reason = f"is a {kind.value}, not a {wanted}; run it with: ablab {kind.value} run {path}"
        raise SpecError([Problem(kind.mark.source, kind.mark.line, "kind", reason)])


def _parent(extends: Tree, above: tuple[Path, ...]) -> Chain:
    mark = extends.mark
    if not isinstance(extends.value, str) or not extends.value:
        reason = "must be the path of an experiment file, relative to this file"
        raise SpecError([Problem(mark.source, mark.line, EXTENDS, reason)])
    path = existing(beside(extends.value, mark), mark, EXTENDS)
    seen = [each.resolve() for each in above]
    if path.resolve() in seen:
        circle = [*above[seen.index(path.resolve()) :], path]
        reason = f"circular: {' -> '.join(str(each) for each in circle)}"
        raise SpecError([Problem(mark.source, mark.line, EXTENDS, reason)])
    return read_chain(read_file(path), path, above)


def _not_a_mapping(tree: Tree) -> Problem:
    return Problem(tree.mark.source, tree.mark.line, "", "must be a mapping of keys to values")


def _refuse_study(tree: Tree, path: Path) -> None:
    kind = tree.get("kind")
    if kind is not None and kind.value in STUDY_KINDS:
        reason = f"is a {kind.value}, not an experiment; give a file such as those in experiments/"
        raise SpecError([Problem(str(path), kind.mark.line, "", reason)])
