"""Finds a launcher by its name, here or in an installed package, and reads its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points

from ablab.errors import InputError, Problem, SpecError
from ablab.orchestration.launchers import MakeLauncher, NoOptions
from ablab.spec.check import check
from ablab.spec.overrides import parse_override
from ablab.spec.reader import Mark, Tree, tree_of
from ablab.spec.values import SpecModel

GROUP = "ablab.launchers"
"""Entry points of this group name a module with ``make`` and, where there are options, ``Options``."""

OPTION = "--launcher-option"

LAUNCHERS: Mapping[str, str] = {
    "inline": "ablab.orchestration.inline_launcher",
    "local": "ablab.orchestration.local_launcher",
    "ray": "ablab.orchestration.ray_launcher",
    "slurm": "ablab.orchestration.slurm_launcher",
}
"""Name -> module, imported where it is named."""


@dataclass(frozen=True, slots=True)
class LauncherKind:
    """A launcher before it is made."""

    name: str
    make: MakeLauncher
    options: type[SpecModel]


def find_launcher(name: str) -> LauncherKind:
    """The launcher of this name; InputError, with the nearest name, where there is none or it is broken."""
    installed = {entry.name: entry for entry in entry_points(group=GROUP) if entry.name not in LAUNCHERS}
    try:
        if name in LAUNCHERS:
            module = import_module(LAUNCHERS[name])
        elif name in installed:
            module = installed[name].load()
        else:
            raise InputError(_unknown(name, (*LAUNCHERS, *sorted(installed))))
    except ModuleNotFoundError as error:
        raise InputError(_missing(name, error)) from error
    make, options = getattr(module, "make", None), getattr(module, "Options", NoOptions)
    if not callable(make) or not (isinstance(options, type) and issubclass(options, SpecModel)):
        raise InputError(
            f"--launcher: {name!r} ({installed[name].value}) must have a function make and, where it takes "
            "options, Options, a subclass of ablab.spec.values.SpecModel"
        )
    return LauncherKind(name, make, options)


def read_options(kind: LauncherKind, texts: Sequence[str]) -> SpecModel:
    """``key=value`` texts as the launcher's options; SpecError with every fault."""
    mark = Mark(OPTION, None)
    values: dict[str, Tree] = {}
    problems: list[Problem] = []
    for text in texts:
        if "=" not in text:
            problems.append(Problem(OPTION, None, "", f"{text!r} is not key=value"))
            continue
        try:
            key, value = parse_override(text)
        except SpecError as error:
            problems += [Problem(OPTION, None, each.key, each.reason) for each in error.problems]
            continue
        if key in values:
            problems.append(Problem(OPTION, None, key, "is set twice"))
        values[key] = tree_of(value, mark)
    found, faults = check(Tree(values, mark), kind.options)
    problems += [fault.problem for fault in faults]
    if found is None or problems:
        known = ", ".join(kind.options.model_fields) or "none"
        problems.append(Problem(OPTION, None, "", f"the {kind.name} launcher takes: {known}"))
        raise SpecError(problems)
    return found


def _unknown(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
    return f"--launcher: no launcher {name!r} ({hint})"


def _missing(name: str, error: ModuleNotFoundError) -> str:
    return (
        f"--launcher {name}: the package {error.name!r} is not installed; it comes with "
        f"pip install 'ablab[{name}]'"
    )
