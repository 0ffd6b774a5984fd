"""Specs as YAML text: what ``load`` reads back unchanged, with a comment behind every key that has one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from ablab.spec.experiment import Experiment, Level, SpecModel
from ablab.spec.grid import Grid
from ablab.spec.identity import flatten
from ablab.spec.reader import scalar
from ablab.spec.shape import EXTENDS, blocks

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@+=-]*")
_BREAKS = re.compile('[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff"\\\\]')
"""What must be escaped between double quotes: control characters, line breaks of every sort, the quote."""


def yaml_value(value: Level) -> str:
    """One value as YAML on one line; floats by their shortest exact form.

    >>> [yaml_value(value) for value in (True, None, 2.0, 1e-09, "gated", "yes: no", (0.9, 0.98))]
    ['true', 'null', '2.0', '1.0e-09', 'gated', '"yes: no"', '[0.9, 0.98]']
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # YAML 1.1 readers take 1e-09 for a string; with a point in the mantissa all agree.
        mantissa, e, exponent = repr(value).partition("e")
        return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else repr(value)
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) and isinstance(scalar(value), str)
        return value if is_plain else f'"{_BREAKS.sub(_escaped, value)}"'
    if isinstance(value, Sequence):
        return f"[{', '.join(yaml_value(item) for item in value)}]"
    return str(value)


def resolved_yaml(experiment: Experiment, origins: Mapping[str, str] | None = None) -> str:
    """The whole experiment, every key written out; loads unchanged.

    With ``origins`` each line says where its value was written, or that it is the default.
    """
    comments: dict[str, str] = {}
    if origins is not None:
        comments = {key: origins.get(key, "default") for key in flatten(experiment)}
    return _block(_unflattened(flatten(experiment)), comments)


def experiment_yaml(name: str, values: Mapping[str, Level], *, extends: str | None = None) -> str:
    """A new experiment file: its name, its parent, and the dotted keys that it sets."""
    head = (
        f"# Experiment {name}." if extends is None else f"# Experiment {name}: how it differs from {extends}."
    )
    parent = {} if extends is None else {EXTENDS: extends}
    rest = "# All keys, with where each was written: ablab experiment show FILE"
    body = _block(_unflattened({"name": name, **parent, **values}), _comments(Experiment, values))
    return f"{head}\n{rest}\n{body}"


def grid_yaml(
    name: str,
    base: str,
    factors: Mapping[str, Sequence[Level]],
    seeds: Sequence[int],
    *,
    design: str = "full_factorial",
    values: Mapping[str, Level] | None = None,
) -> str:
    """A new grid file; ``values`` are further dotted keys of the grid, such as ``analysis.sesoi``."""
    design_comment = _comments(Grid, ["design"])["design"]
    lines = [
        f"# Grid {name}. Paths are relative to this file.",
        "kind: grid",
        f"name: {yaml_value(name)}",
        f"base: {yaml_value(base)}",
        "factors:  # the first level is the reference, the last the full level",
        *(f"  {key}: {yaml_value(levels)}" for key, levels in factors.items()),
        f"design: {design}  # {design_comment}",
        f"seeds: {yaml_value(seeds)}  # each cell is trained once under each",
    ]
    more = values or {}
    return "\n".join(lines) + "\n" + _block(_unflattened(more), _comments(Grid, more))


def named_grid_yaml(
    name: str, cells: Mapping[str, str], seeds: Sequence[int], values: Mapping[str, Level], why: str
) -> str:
    """A new grid file over experiment files; ``why`` is its first line, ``values`` are as in `grid_yaml`."""
    lines = [
        f"# {why}",
        "kind: grid",
        f"name: {yaml_value(name)}",
        "design: named",
        "cells:  # name: experiment file, relative to this one; the first is the reference",
        *(f"  {cell}: {yaml_value(file)}" for cell, file in cells.items()),
        f"seeds: {yaml_value(seeds)}  # each cell is trained once under each",
    ]
    return "\n".join(lines) + "\n" + _block(_unflattened(values), _comments(Grid, values))


def _unflattened(values: Mapping[str, Level]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *path, name = key.split(".")
        inner = tree
        for part in path:
            inner = inner.setdefault(part, {})
        inner[name] = value
    return tree


def _block(tree: Mapping[str, Any], comments: Mapping[str, str], prefix: str = "", indent: str = "") -> str:
    text = ""
    # The kind says which keys can follow, so it comes first.
    for name, value in sorted(tree.items(), key=lambda entry: bool(prefix) and entry[0] != "kind"):
        key = f"{prefix}.{name}" if prefix else name
        if isinstance(value, dict):
            text += f"{indent}{name}:\n{_block(value, comments, key, indent + '  ')}"
        else:
            comment = f"  # {comments[key]}" if comments.get(key) else ""
            text += f"{indent}{name}: {yaml_value(value)}{comment}\n"
    return text


def _comments(model: type[SpecModel], keys: Mapping[str, Any] | Sequence[str]) -> dict[str, str]:
    """Key -> its choices and its note, for those of ``keys`` that have either."""
    # Notes are read from the source, which costs start-up time that only writers should pay.
    from ablab.spec.schema import field_notes

    comments: dict[str, str] = {}
    for key in keys:
        prefix, _, name = key.rpartition(".")
        block = blocks(model).get(prefix)
        kinds = block.kinds_with(name) if block else ()
        if block is None or not kinds:
            continue
        holder = block.kinds[kinds[0]]
        options = block.kinds if name == "kind" else get_args(holder.model_fields[name].annotation)
        choices = " | ".join(options) if all(isinstance(option, str) for option in options) else ""
        note = field_notes(holder).get(name, "").partition(";")[0].rstrip(".")
        comments[key] = ": ".join(part for part in (choices, note) if part)
    return comments


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return f"\\{character}" if character in '"\\' else f"\\u{ord(character):04x}"
