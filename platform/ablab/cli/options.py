"""Options and output that several commands share, so that they read and behave alike."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ablab.errors import InputError
from ablab.paths import Paths, is_safe_name

if TYPE_CHECKING:
    from ablab.tracking.store import RunStore

F = TypeVar("F", bound=Callable[..., Any])

SPEC_FILE = click.Path(path_type=Path)
"""A spec file; whether it is there is for ``spec.load`` to say, which knows the nearest name."""


class FiniteRange(click.FloatRange):
    """A number in a range; nan, which every comparison lets pass, and inf are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Device(click.ParamType[str]):
    """Where to compute; whether the machine has it is for training to say, which knows torch."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as given."""
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", str(value)):
            self.fail(f"{value!r} is not one of auto, cpu, cuda:N (such as cuda:0).", param, ctx)
        return str(value)


def experiment_set_option(command: F) -> F:
    """``--set KEY=VALUE`` of a command that takes an experiment, as ``overrides``."""
    return click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="Set a key of the experiment, such as training.epochs=20; repeatable.",
    )(command)


def set_option(command: F) -> F:
    """``--set KEY=VALUE`` of a command that takes a grid, any number of times, as ``overrides``."""
    return click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="Set a key of the experiment, or of the grid with 'grid.' in front; repeatable.",
    )(command)


def json_option(command: F) -> F:
    """``--json`` as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def plain_name(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A name that can become a path, or none."""
    if value is not None and not is_safe_name(value):
        raise InputError(f"--study: {value!r} is no plain name (letters, digits, '_', '.', '-')")
    return value


def study_option(command: F) -> F:
    """``--study NAME`` as ``study``."""
    return click.option("--study", metavar="NAME", callback=plain_name, help="Name of the study.")(command)


def launcher_option(default: str) -> Callable[[F], F]:
    """``--launcher NAME`` and ``--launcher-option KEY=VALUE``, as ``launcher`` and ``launcher_options``."""

    def with_them(command: F) -> F:
        command = click.option(
            "--launcher-option",
            "launcher_options",
            metavar="KEY=VALUE",
            multiple=True,
            help="Option of the launcher, such as address=10.0.0.1:6379 (ray) or partition=gpu (slurm).",
        )(command)
        return click.option(
            "--launcher",
            default=default,
            show_default=True,
            metavar="NAME",
            help="inline: in this process, for debuggers; local: a process per trial; ray, slurm: a cluster; "
            "or one of an installed package.",
        )(command)

    return with_them


def surroundings() -> tuple[Paths, RunStore]:
    """The state root and the store of this environment."""
    from ablab.tracking.open import open_store

    paths = Paths.from_environment()
    return paths, open_store(paths)


def print_json(value: object) -> None:
    """Exactly one JSON document on stdout; what is not finite becomes null."""
    click.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def print_notices(notices: Sequence[str]) -> None:
    """What the user should know, on stderr."""
    for notice in notices:
        click.echo(f"note: {notice}", err=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
