"""Where a command's trials run: options that grids, searches and gates share, handed on as one value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypedDict

import click

from ablab.cli.options import Device, launcher_option


class Launch(TypedDict):
    """Named as `ablab.orchestration.grid.run_grid` and its like name them."""

    launcher: str
    launcher_options: tuple[str, ...]
    workers: int | None
    device: str


def n_workers(context: click.Context, parameter: click.Parameter, value: str) -> int | None:
    """A number, or None for ``auto``."""
    if value == "auto":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is neither 'auto' nor a whole number above 0")
    return int(value)


_OPTIONS = (
    click.option("--device", type=Device(), default="auto", show_default=True, help="auto, cpu, or cuda:N."),
    click.option(
        "--workers",
        default="auto",
        show_default=True,
        callback=n_workers,
        metavar="N|auto",
        help="Trials at once; auto: as many as there is room for.",
    ),
    launcher_option("local"),
)


def launch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--launcher``, ``--launcher-option``, ``--workers`` and ``--device``, together as ``launch``."""

    @functools.wraps(command)
    def with_launch(
        *,
        launcher: str,
        launcher_options: tuple[str, ...],
        workers: int | None,
        device: str,
        **others: Any,
    ) -> Any:
        launch = Launch(launcher=launcher, launcher_options=launcher_options, workers=workers, device=device)
        return command(launch=launch, **others)

    made: Callable[..., Any] = with_launch
    for option in _OPTIONS:
        made = option(made)
    return made
