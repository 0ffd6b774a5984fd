"""What follows a grid or a run: floor, summaries in the store, and the last lines on the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ablab.errors import AblabError

if TYPE_CHECKING:
    from ablab.orchestration.result import GridResult
    from ablab.paths import Paths
    from ablab.spec.experiment import Experiment
    from ablab.tracking.store import RunStore


def conclude(result: GridResult, *, paths: Paths, store: RunStore) -> tuple[str, ...]:
    """Bring the store's summaries up to date, and return the closing lines.

    A study that cannot be compared yet (nothing finished, say) is not an error of the run. After Ctrl-C
    nobody waits for a comparison; the command that goes on makes it.
    """
    if result.completed and not result.interrupted:
        try:
            _summarise(result.study, paths, store)
        except AblabError as error:
            click.echo(f"note: no summary: {str(error).splitlines()[0]}", err=True)
    return closing_lines(result)


def tell_standing(
    experiment: Experiment, seed: int, study: str, *, paths: Paths, store: RunStore, err: bool
) -> None:
    """Print how a finished run stands against chance and the linear model."""
    from ablab.orchestration.experiment_standing import experiment_standing

    if sys.stderr.isatty():
        click.echo("fitting the linear baseline where it is not known yet", err=True)
    try:
        text = experiment_standing(experiment, seed, study=study, paths=paths, store=store)
    except AblabError as error:
        click.echo(f"note: not compared with chance and ridge: {str(error).splitlines()[0]}", err=True)
        return
    if text is not None:
        click.echo(text, err=err)


def closing_lines(result: GridResult) -> tuple[str, ...]:
    """What happened, and what to type next."""
    from ablab.reporting.durations import spoken

    counts = [f"{result.completed} completed", f"{result.failed} failed", f"{result.skipped} skipped"]
    counts += [f"{result.killed} killed"] if result.killed else []
    counts += [f"{result.not_started} not started"] if result.not_started else []
    counts += [f"{result.undelivered} not delivered"] if result.undelivered else []
    code = f" (exit {result.exit_code})" if result.exit_code else ""
    first = f"{', '.join(counts)}, {spoken(result.seconds)}{code}"
    if result.interrupted or result.not_started:
        again = ["same command goes on"]
    elif result.undelivered and not result.failed:
        again = ["ablab store sync"]
    else:
        again = [f"same command retries the failed {'one' if result.failed == 1 else 'ones'}"]
    following = again if result.exit_code else []
    if result.failures:
        following.append(f"ablab logs {result.failures[0].key[:6]}")
    if result.completed or result.skipped:
        following += [f"ablab compare {result.study}", f"ablab report {result.study}", "ablab ui"]
    return first, f"next  {';  '.join(following)}"


def _summarise(study: str, paths: Paths, store: RunStore) -> None:
    from ablab.comparison.summary import cell_summaries
    from ablab.orchestration.study_comparison import compare_study
    from ablab.reporting import markdown

    if sys.stderr.isatty():
        click.echo("comparing, and fitting the linear baseline where it is not known yet", err=True)
    comparison = compare_study(study, paths=paths, store=store, compute_floor=True)
    store.summarise(study, cell_summaries(comparison))
    store.describe(study, markdown.description(comparison, f"ablab compare {study}"))
