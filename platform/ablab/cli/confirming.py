"""What ``ablab grid confirm`` does and prints: train the choice on fresh seeds, then its comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ablab.cli.launching import Launch
    from ablab.paths import Paths
    from ablab.tracking.store import RunStore


def confirm_study(
    study: str, n_seeds: int, launch: Launch, *, paths: Paths, store: RunStore, as_json: bool
) -> int:
    """Run and print; returns the exit code."""
    from ablab.cli.conclusion import conclude
    from ablab.cli.options import print_json
    from ablab.orchestration.confirmation import against_best, confirmation
    from ablab.orchestration.grid import run_grid
    from ablab.orchestration.study_comparison import compare_study
    from ablab.reporting import json, terminal
    from ablab.reporting.progress import terminal_progress

    loaded, choice = confirmation(study, n_seeds, paths=paths, store=store)
    seeds = ", ".join(str(seed) for seed in loaded.grid.seeds)
    click.echo(f"study {loaded.study}: {choice.treatment} against reference, seeds {seeds}", err=as_json)
    for name, label in choice.origin.items():
        click.echo(f"  {name:<13}{label}", err=as_json)
    click.echo(f"  grid         {loaded.source}", err=as_json)
    result = run_grid(loaded, paths=paths, store=store, progress=terminal_progress(), **launch)
    for line in conclude(result, paths=paths, store=store):
        click.echo(line, err=as_json)
    comparison = best = None
    if not result.exit_code:
        comparison = compare_study(loaded.study, paths=paths, store=store)
        best = against_best(loaded, choice, paths=paths, store=store)
    if as_json:
        print_json(
            {
                "study": loaded.study,
                "cells": dict(choice.origin),
                "treatment": choice.treatment,
                "seeds": list(loaded.grid.seeds),
                "grid": str(loaded.source),
                "run": result.as_json(),
                "comparison": None if comparison is None else json.as_object(comparison),
                "against_best": None if best is None else best[1],
            }
        )
    elif comparison is not None:
        terminal.print_comparison(comparison)
        if best is not None:
            click.echo(f"best      recommended against best: {best[1]}")
    return result.exit_code
