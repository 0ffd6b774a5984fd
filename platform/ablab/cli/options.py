"""Options and output that several commands share, so that they read and behave alike."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

SPEC_FILE = click.Path(path_type=Path)
"""A spec file; whether it is there is for ``spec.load`` to say, which knows the nearest name."""


def set_option(command: F) -> F:
    """``--set KEY=VALUE``, any number of times, as ``overrides``."""
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


def study_option(command: F) -> F:
    """``--study NAME`` as ``study``."""
    return click.option("--study", metavar="NAME", help="Name of the study.")(command)


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
