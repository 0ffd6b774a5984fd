"""``ablab compare``: what a study found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ablab.cli.options import json_option, print_json

if TYPE_CHECKING:
    from ablab.tracking.store import RunStore


@click.command(epilog="Example: ablab compare quickstart --format md")
@click.argument("study", required=False)
@click.argument("run", required=False)
@click.option("--baseline", metavar="CELL", help="Compare with this cell (id or label) instead.")
@click.option("--metric", metavar="NAME", help="Compare this metric instead, e.g. gradient/ratio.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "md", "csv", "json"]),
    default="table",
    show_default=True,
    help="How to print.",
)
@json_option
@click.option("--all", "everything", is_flag=True, help="Print all rows, and every left-out run by name.")
def compare(
    study: str | None,
    run: str | None,
    baseline: str | None,
    metric: str | None,
    form: str,
    as_json: bool,
    everything: bool,
) -> None:
    """Compare the cells of STUDY with its reference cell; without STUDY, of the latest study.

    One row per cell: mean, difference with interval, p of the crossed quasi-t, verdict, gradient ratio,
    drift, parameters, time. Beneath: what the intervals generalise to, and which runs were left out.

    With two runs (ids, or 6 or more of their keys' digits), RUN RUN: the second against the first, subject by
    subject. One training each, so nothing that it prints is about a method.

    \b
    Examples:
      ablab compare
      ablab compare quickstart --baseline "gated · linear · gs1"
      ablab compare 3f9c21 8c2d07
    """
    from ablab.errors import InputError
    from ablab.orchestration.study_comparison import compare_study
    from ablab.paths import Paths
    from ablab.tracking.lookup import latest
    from ablab.tracking.open import open_store

    paths = Paths.from_environment()
    store = open_store(paths)
    if study is not None and run is not None:
        if baseline is not None or form not in ("table", "json"):
            raise InputError("--baseline and --format md, csv are for studies, not for two runs")
        _two_runs(study, run, store, metric, as_json or form == "json", everything)
        return
    study = study or latest(store)
    comparison = compare_study(study, paths=paths, store=store, baseline=baseline, metric=metric)
    if as_json or form == "json":
        from ablab.reporting import json

        print_json(json.as_object(comparison))
    elif form == "csv":
        from ablab.reporting import csv

        click.echo(csv.render(comparison), nl=False)
    elif form == "md":
        from ablab.reporting import markdown

        click.echo(markdown.render(comparison), nl=False)
    else:
        from ablab.reporting import terminal

        terminal.print_comparison(comparison, everything=everything)


def _two_runs(
    first: str, second: str, store: RunStore, metric: str | None, as_json: bool, everything: bool
) -> None:
    from ablab.orchestration.two_runs import compare_two
    from ablab.reporting import two_runs

    found = compare_two(first, second, store=store, metric=metric or "test/pearson")
    if as_json:
        print_json(two_runs.as_object(found))
    else:
        click.echo(two_runs.render(found, everything=everything))
