"""Kinds of model that installed packages add, found by their entry points; imported only where one is named.

A package offers a kind by an entry point in the group ``ablab.models``. What the entry point names, mostly a
module, has ``Params`` (the values of a spec's ``model`` block) and ``build``. Importing it must not import
torch: specs are read by commands that start in a fraction of a second.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablab.spec.model import ModelParams

GROUP = "ablab.models"


class BrokenPluginError(ValueError):
    """An installed package's entry point that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed kind of model."""

    kind: str
    params: type[ModelParams]
    build: Any
    """``(params, improvements, n_chans, n_subjects) -> Decoder``."""


_loaded: dict[str, Plugin] = {}


def installed() -> tuple[str, ...]:
    """Kinds that installed packages offer, by name; imports none of them."""
    return tuple(sorted(_entries(tuple(sys.path))))


def loaded() -> tuple[Plugin, ...]:
    """The kinds met so far, in the order of meeting."""
    return tuple(_loaded.values())


def load(kind: str) -> Plugin:
    """The plug-in of this kind; KeyError where none is installed, BrokenPluginError where it is of no use."""
    if kind not in _loaded:
        _loaded[kind] = _checked(kind, _entry(kind))
    return _loaded[kind]


def package(kind: str) -> str:
    """Name and version of the package that offers this kind; imports nothing of it.

    ``absent`` where none does. A package without a name and a version has ``unknown``.
    """
    try:
        found = _entry(kind).dist
    except (KeyError, BrokenPluginError):
        return "absent"
    return "unknown" if found is None else f"{found.name} {found.version}"


def _entry(kind: str) -> EntryPoint:
    found = _entries(tuple(sys.path))[kind]
    if len(found) > 1:
        names = sorted(entry.dist.name if entry.dist else entry.value for entry in found)
        raise BrokenPluginError(f"is offered by several packages ({', '.join(names)}); uninstall all but one")
    return found[0]


@cache
def _entries(path: tuple[str, ...]) -> dict[str, tuple[EntryPoint, ...]]:
    """Kind -> its entry points; ``path`` stands for what can be found."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        # One package can be found twice, by an installed folder and by the source that it links to.
        if all(
            (each.dist and each.dist.name) != (entry.dist and entry.dist.name)
            for each in found.setdefault(entry.name, [])
        ):
            found[entry.name].append(entry)
    return {kind: tuple(entries) for kind, entries in found.items()}


def _checked(kind: str, entry: EntryPoint) -> Plugin:
    from ablab.spec.model import ModelParams

    where = f"{entry.value} of {package(kind)}"
    try:
        offered = entry.load()
    except Exception as error:  # whatever a foreign module raises while it is imported
        raise BrokenPluginError(f"cannot be imported ({where}): {type(error).__name__}: {error}") from error
    params, build = getattr(offered, "Params", None), getattr(offered, "build", None)
    if not (isinstance(params, type) and issubclass(params, ModelParams)) or not callable(build):
        raise BrokenPluginError(f"{where} must have Params, a subclass of ModelParams, and a function build")
    declared = params.model_fields["kind"].default
    if declared != kind:
        raise BrokenPluginError(f"{where}: the default of Params.kind must be {kind!r}, not {declared!r}")
    return Plugin(kind, params, build)
