"""Which keys a spec has, read off the value models: blocks, their kinds, and the nearest known name.

Nothing is listed twice: a field added to a model is known here, in error texts and in factors at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from ablab.spec import plugins
from ablab.spec.experiment import Conformer, SpecModel
from ablab.spec.model import ModelParams

EXTENDS = "extends"
"""Key of an experiment file that names its parent; resolved away before the values are checked."""


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping within a spec."""

    kinds: Mapping[str, type[SpecModel]]
    """Kind -> model; one entry, named '', where the block has no choice."""
    default: str
    """The kind where none is written; '' where one has to be."""
    is_open: bool = False
    """Whether installed packages add kinds; those that were met are among ``kinds``."""

    @property
    def is_choice(self) -> bool:
        """Whether a ``kind`` chooses between several models."""
        return self.is_open or len(self.kinds) > 1

    def fields(self, kind: str) -> tuple[str, ...]:
        """Keys that the block knows under this kind."""
        return tuple(self.kinds[kind].model_fields)

    def kinds_with(self, field: str) -> tuple[str, ...]:
        """Kinds under which the block knows this key."""
        return tuple(kind for kind, model in self.kinds.items() if field in model.model_fields)


def blocks(model: type[SpecModel]) -> Mapping[str, Block]:
    """Dotted key -> block, '' being the spec itself."""
    return _blocks(model, plugins.loaded())


def keys(model: type[SpecModel]) -> tuple[str, ...]:
    """Every dotted key that holds a value rather than a block, under any kind, in file order."""
    return _keys(model, plugins.loaded())


@cache
def _blocks(model: type[SpecModel], met: tuple[plugins.Plugin, ...]) -> Mapping[str, Block]:
    found = {"": Block({"": model}, "")}
    _collect(model, "", found, {"conformer": Conformer, **{each.kind: each.params for each in met}})
    return found


@cache
def _keys(model: type[SpecModel], met: tuple[plugins.Plugin, ...]) -> tuple[str, ...]:
    nested = _blocks(model, met)
    found: dict[str, None] = {}
    for prefix, block in nested.items():
        for kind in block.kinds:
            for field in block.fields(kind):
                key = f"{prefix}.{field}" if prefix else field
                if key not in nested:
                    found[key] = None
    return tuple(found)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or None where none is like it."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def unknown_key(model: type[SpecModel], prefix: str, kind: str, name: str) -> str:
    """Why ``name`` is no key of the block at ``prefix`` under ``kind``, and what was probably meant."""
    block = blocks(model)[prefix]
    elsewhere = block.kinds_with(name)
    if elsewhere:
        meant = " or ".join(f"'{other}'" for other in elsewhere)
        return f"is a key of {prefix}.kind {meant}, but {prefix}.kind is '{kind}'"
    known = (*keys(model), *blocks(model))
    if name in known:
        return f"unknown key (nest it: {_nested(name)})"
    near = next((key for key in known if key.rpartition(".")[2] == name), None)
    near = near or nearest(name, block.fields(kind))
    if near:
        return f"unknown key (did you mean '{near}'?)"
    return f"unknown key (known here: {', '.join(block.fields(kind))})"


def _nested(key: str) -> str:
    first, _, rest = key.partition(".")
    return f"{first}: {{{_nested(rest)}}}" if rest else f"{first}: ..."


def _collect(
    model: type[SpecModel],
    prefix: str,
    found: dict[str, Block],
    of_model: Mapping[str, type[SpecModel]],
) -> None:
    for name, field in model.model_fields.items():
        key = f"{prefix}.{name}" if prefix else name
        models = _models(field.annotation)
        if not models:
            continue
        if models == [ModelParams]:
            found[key] = Block(of_model, Conformer.model_fields["kind"].default, is_open=True)
            models = list(of_model.values())
        elif field.discriminator is None:
            found[key] = Block({"": models[0]}, "")
        else:
            kinds = {each.model_fields["kind"].default: each for each in models}
            default = field.get_default(call_default_factory=True, validated_data={})
            found[key] = Block(kinds, "" if field.is_required() else default.kind)
        for each in models:
            _collect(each, key, found, of_model)


def _models(annotation: Any) -> list[type[SpecModel]]:
    parts = get_args(annotation) or (annotation,)
    return [part for part in parts if isinstance(part, type) and issubclass(part, SpecModel)]
