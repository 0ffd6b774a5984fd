"""A tree checked against a value model: the value, or every fault located where its key is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ablab.errors import Problem
from ablab.spec.experiment import SpecModel
from ablab.spec.overlay import kind_of, meet_kinds
from ablab.spec.reader import Tree
from ablab.spec.reasons import reason
from ablab.spec.shape import blocks, unknown_key

M = TypeVar("M", bound=SpecModel)
Location = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem, and what it hangs on."""

    problem: Problem
    hangs_on: Literal["itself", "kind", "others"]
    """itself: wrong whatever the other keys say. kind: the block's kind does not know the key. others:
    keys that do not fit one another."""


def check(tree: Tree, model: type[M]) -> tuple[M | None, tuple[Fault, ...]]:
    """The tree as a value of ``model``, or None and every fault."""
    meet_kinds(tree, model)
    try:
        return model.model_validate(_with_kinds(tree, model).plain()), ()
    except ValidationError as error:
        return None, tuple(_faults(tree, model, error))


def _with_kinds(tree: Tree, model: type[SpecModel], key: str = "") -> Tree:
    """The tree with the default kind written into every block that chooses none."""
    block = blocks(model).get(key)
    if block is None or not isinstance(tree.value, dict):
        return tree
    entries = {
        name: _with_kinds(entry, model, f"{key}.{name}" if key else name)
        for name, entry in tree.value.items()
    }
    if block.is_choice and "kind" not in entries:
        entries["kind"] = Tree(block.default, tree.mark)
    return Tree(entries, tree.mark)


def _faults(tree: Tree, model: type[SpecModel], failure: ValidationError) -> Iterator[Fault]:
    gaps: dict[Location, tuple[int, int]] = {}
    for error in failure.errors(include_url=False):
        location = _without_tags(error["loc"], model)
        if error["type"] == "extra_forbidden":
            yield _unknown(tree, model, location)
        elif error["type"] == "value_error":
            yield _inconsistent(tree, location, error)
        elif error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]:
            # Counted after its items were checked: they are at fault, and have their own errors.
            continue
        elif error["type"] == "missing" and location and isinstance(location[-1], int):
            # A list that is too short gives one error for each of its gaps; the last tells the length.
            gaps[location[:-1]] = (location[-1] + 1, len(error["input"]))
        elif error["type"] == "missing":
            mark = _walk(tree, location).mark
            problem = Problem(mark.source, mark.line, _dotted(location), "missing; it has no default")
            yield Fault(problem, "others")
        else:
            if error["type"] in ("union_tag_invalid", "unknown_kind", "broken_kind"):
                location = (*location, "kind")
                error["input"] = error["input"]["kind"]
            mark = _walk(tree, location).mark
            yield Fault(Problem(mark.source, mark.line, _dotted(location), reason(error)), "itself")
    for location, (wanted, given) in gaps.items():
        mark = _walk(tree, location).mark
        text = f"must have {wanted} values, not {given}"
        yield Fault(Problem(mark.source, mark.line, _dotted(location), text), "itself")


def _unknown(tree: Tree, model: type[SpecModel], location: Location) -> Fault:
    # The items of a list of blocks are one block; its key has no index.
    prefix = _dotted(tuple(part for part in location[:-1] if isinstance(part, str)))
    name = str(location[-1])
    block = blocks(model)[prefix]
    kind = kind_of(_walk(tree, location[:-1]), block)
    mark = _walk(tree, location).mark
    text = unknown_key(model, prefix, kind, name)
    return Fault(
        Problem(mark.source, mark.line, _dotted(location), text),
        "kind" if block.kinds_with(name) else "itself",
    )


def _inconsistent(tree: Tree, location: Location, error: ErrorDetails) -> Fault:
    """A model's own check; its text begins with the field's name where it concerns one of several."""
    text = reason(error)
    entry = _walk(tree, location)
    names, colon, rest = text.partition(": ")
    is_named = bool(colon) and names.replace(".", "").replace("_", "").isalnum()
    if not is_named:
        return Fault(Problem(entry.mark.source, entry.mark.line, _dotted(location), text), "itself")
    field, _, inner = names.partition(".")
    inside: Location = (field, inner) if inner else (field,)
    mark = _walk(entry, inside).mark
    key = _dotted((*location, *inside))
    return Fault(Problem(mark.source, mark.line, key, rest), "others")


def _without_tags(location: Location, model: type[SpecModel]) -> Location:
    """The location without the kinds that the validation library writes into it."""
    nested = blocks(model)
    plain: Location = ()
    choosing = False
    for part in location:
        if part != "[key]" and not (choosing and part in nested[_dotted(plain)].kinds):
            plain = (*plain, part)
            block = nested.get(_dotted(plain))
            # The kinds of an open block are no union, and stand in no location.
            choosing = block is not None and block.is_choice and not block.is_open
        else:
            choosing = False
    return plain


def _walk(tree: Tree, location: Location) -> Tree:
    """The entry at a location, or the innermost one that is there."""
    found: Any = tree
    for part in location:
        inner = found.value if isinstance(found, Tree) else None
        if isinstance(inner, dict) and part in inner:
            found = inner[str(part)]
        elif isinstance(inner, tuple) and isinstance(part, int) and part < len(inner):
            found = inner[part]
        else:
            break
    assert isinstance(found, Tree)
    return found


def _dotted(location: Location) -> str:
    """``("training", "betas", 1)`` as ``training.betas[1]``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
