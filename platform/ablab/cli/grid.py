"""``ablab grid``: plan, pilot, run and watch an ablation grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ablab.cli.grid_new import new
from ablab.cli.launching import Launch, launch_options, n_workers
from ablab.cli.options import (
    SPEC_FILE,
    json_option,
    print_json,
    print_notices,
    set_option,
    study_option,
    surroundings,
)

if TYPE_CHECKING:
    from ablab.orchestration.selection import StaleChoice
    from ablab.spec.load import LoadedGrid


@click.group()
def grid() -> None:
    """Plan, pilot, run and watch an ablation grid."""


grid.add_command(new)


@grid.command()
@click.argument("file", type=SPEC_FILE)
@set_option
@study_option
@click.option("--offline", is_flag=True, help="Cells and seeds only; look at neither data nor store.")
@click.option(
    "--workers", default="auto", callback=n_workers, metavar="N|auto", help="For the time estimate."
)
@json_option
def plan(
    file: Path,
    overrides: tuple[str, ...],
    study: str | None,
    offline: bool,
    workers: int | None,
    as_json: bool,
) -> None:
    """Print what running FILE would do: cells, data, what is done already, cost, power.

    \b
    Examples:
      ablab grid plan ablations/v2_improvements.yaml
      ablab grid plan ablations/quickstart.yaml --offline --json
    """
    from ablab.orchestration import plan as planning

    loaded = _loaded(file, overrides, study)
    if offline:
        made = planning.plan_offline(loaded)
    else:
        paths, store = surroundings()
        made = planning.plan(loaded, paths=paths, store=store, workers=workers)
    if as_json:
        print_json(made.as_json())
        return
    from ablab.orchestration.plan_text import lines

    click.echo("\n".join(lines(made, file)))


@grid.command()
@click.argument("file", type=SPEC_FILE)
@set_option
@study_option
@click.option("--epochs", default=50, show_default=True, type=click.IntRange(1), help="At most so many.")
@click.option("--seeds", default=2, show_default=True, type=click.IntRange(1), help="Seeds per cell.")
@launch_options
@json_option
@click.pass_context
def pilot(
    context: click.Context,
    file: Path,
    overrides: tuple[str, ...],
    study: str | None,
    epochs: int,
    seeds: int,
    launch: Launch,
    as_json: bool,
) -> None:
    """Train the two cells of FILE's contrast briefly: time, variances, diagnosis, go or stop.

    Pilot runs never enter a comparison. A stop ends in exit code 1.

    \b
    Example:
      ablab grid pilot ablations/v2_improvements.yaml --epochs 50 --seeds 2
    """
    loaded = _loaded(file, overrides, study)
    from ablab.orchestration.pilot import run_pilot
    from ablab.orchestration.pilot_text import as_json as pilot_json
    from ablab.orchestration.pilot_text import lines
    from ablab.reporting.progress import terminal_progress

    paths, store = surroundings()
    done = run_pilot(
        loaded,
        paths=paths,
        store=store,
        epochs=epochs,
        seeds=seeds,
        progress=terminal_progress(),
        **launch,
    )
    if as_json:
        print_json(pilot_json(done))
    else:
        click.echo("\n".join(lines(done, file)))
    context.exit(done.exit_code)


@grid.command()
@click.argument("file", type=SPEC_FILE)
@set_option
@study_option
@launch_options
@click.option(
    "--stale", type=click.Choice(["rerun", "keep"]), help="What to do with finished runs of other code."
)
@click.option("--force", multiple=True, metavar="CELL", help="Run this cell again (id or label); repeatable.")
@click.option("--fail-fast", is_flag=True, help="End at the first failed trial.")
@click.option(
    "--max-retries",
    type=click.IntRange(0),
    default=2,
    show_default=True,
    help="How often a trial whose process died is tried again.",
)
@click.option("--keep-going", is_flag=True, help="Go on where two cells fail in the same way.")
@json_option
@click.pass_context
def run(
    context: click.Context,
    file: Path,
    overrides: tuple[str, ...],
    study: str | None,
    launch: Launch,
    stale: str | None,
    force: tuple[str, ...],
    fail_fast: bool,
    max_retries: int,
    keep_going: bool,
    as_json: bool,
) -> None:
    """Train what is missing of FILE; what is done already is not trained again.

    Ctrl-C closes what runs; the same command goes on later.

    \b
    Examples:
      ablab grid run ablations/quickstart.yaml
      ablab grid run ablations/quickstart.yaml --set training.clip_norm=1.0 --study clipped
    """
    loaded = _loaded(file, overrides, study)
    from ablab.cli.conclusion import conclude
    from ablab.orchestration.grid import run_grid
    from ablab.reporting.progress import terminal_progress

    paths, store = surroundings()
    result = run_grid(
        loaded,
        paths=paths,
        store=store,
        stale=cast("StaleChoice | None", stale),
        force=force,
        fail_fast=fail_fast,
        max_retries=max_retries,
        keep_going=keep_going,
        progress=terminal_progress(),
        **launch,
    )
    if as_json:
        print_json(result.as_json())
    for line in conclude(result, paths=paths, store=store):
        click.echo(line, err=as_json)
    context.exit(result.exit_code)


@grid.command()
@click.argument("study")
@click.option(
    "--seeds", default=5, show_default=True, type=click.IntRange(3), help="So many that STUDY did not use."
)
@launch_options
@json_option
@click.pass_context
def confirm(
    context: click.Context,
    study: str,
    seeds: int,
    launch: Launch,
    as_json: bool,
) -> None:
    """Train what STUDY recommends again, on fresh seeds, and compare it.

    The recommended cell, the reference and the best cell become the study STUDY-confirm, whose declared
    contrast is recommended against reference. Its verdict is no longer a choice made by looking.

    \b
    Example:
      ablab grid confirm quickstart --seeds 5
    """
    from ablab.cli.confirming import confirm_study

    paths, store = surroundings()
    context.exit(confirm_study(study, seeds, launch, paths=paths, store=store, as_json=as_json))


@grid.command()
@click.argument("study")
@json_option
def status(study: str, as_json: bool) -> None:
    """Print where STUDY stands: runs by cell, what failed and why, who runs it now.

    \b
    Example:
      ablab grid status quickstart
    """
    from ablab.orchestration.status import lines, study_status

    paths, store = surroundings()
    found = study_status(study, paths=paths, store=store)
    if as_json:
        print_json(found.as_json())
    else:
        click.echo("\n".join(lines(found)))


def _loaded(file: Path, overrides: tuple[str, ...], study: str | None) -> LoadedGrid:
    from ablab.spec.load import load_grid

    loaded = load_grid(file, overrides)
    print_notices(loaded.notices)
    return loaded if study is None else replace(loaded, study=study)
