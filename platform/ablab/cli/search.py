"""``ablab search``: search a space of values, confirm the winner, and look at what was found."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from ablab.cli.launching import Launch, launch_options
from ablab.cli.options import SPEC_FILE, json_option, print_json, print_notices, study_option, surroundings

if TYPE_CHECKING:
    from ablab.comparison.searched import SearchReport
    from ablab.orchestration.result import GridResult
    from ablab.orchestration.search import SearchResult
    from ablab.orchestration.selection import StaleChoice
    from ablab.spec.load_search import LoadedSearch
    from ablab.tracking.store import RunStore


@click.group()
def search() -> None:
    """Search a space of values, confirm the winner, and look at what was found."""


@search.command()
@click.argument("file", type=SPEC_FILE)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set a key of the experiment, or of the search with 'search.' in front; repeatable.",
)
@study_option
@launch_options
@click.option(
    "--stale",
    type=click.Choice(["rerun", "keep"]),
    help="What to do with points trained by other code: begin anew, or go on with them.",
)
@click.option("--keep-going", is_flag=True, help="Go on where two points fail in the same way.")
@json_option
@click.pass_context
def run(
    context: click.Context,
    file: Path,
    overrides: tuple[str, ...],
    study: str | None,
    launch: Launch,
    stale: str | None,
    keep_going: bool,
    as_json: bool,
) -> None:
    """Search FILE's space until its trials are spent, then train winner and base again under fresh seeds.

    Ctrl-C closes what runs; the same command goes on later.

    \b
    Examples:
      ablab search run ablations/quickstart_search.yaml
      ablab search run ablations/gradient_scale_search.yaml --set search.trials=80
    """
    loaded = _loaded(file, overrides, study)
    from ablab.orchestration.search import run_search
    from ablab.reporting import search as text
    from ablab.reporting.progress import terminal_progress

    paths, store = surroundings()
    done = run_search(
        loaded,
        paths=paths,
        store=store,
        stale=cast("StaleChoice | None", stale),
        keep_going=keep_going,
        progress=terminal_progress(),
        **launch,
    )
    if as_json:
        print_json(_as_json(done))
    _keep_plots(done.report, store, None)
    for line in (*text.lines(done.report), _closing(done)):
        click.echo(line, err=as_json)
    context.exit(done.exit_code)


@search.command()
@click.argument("study")
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="Best points to list.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Write the plots (PNG) there.")
@json_option
def show(study: str, top: int, out: Path | None, as_json: bool) -> None:
    """Print the best points of STUDY, what mattered, and how its winner was confirmed.

    Text and plots are kept in MLflow too, on the study's page and in its run of artifacts.

    \b
    Example:
      ablab search show quickstart_search --out plots
    """
    from ablab.orchestration.search_report import search_report
    from ablab.reporting import search as text

    paths, store = surroundings()
    report = search_report(study, paths=paths, store=store)
    if as_json:
        print_json(text.as_object(report))
    else:
        click.echo("\n".join(text.lines(report, top)))
    _keep_plots(report, store, out)


def _loaded(file: Path, overrides: tuple[str, ...], study: str | None) -> LoadedSearch:
    from ablab.spec.load_search import load_search

    loaded = load_search(file, overrides)
    print_notices(loaded.notices)
    return loaded if study is None else replace(loaded, study=study)


def _as_json(done: SearchResult) -> dict[str, Any]:
    """The object that ``search run --json`` prints; its schema is ``docs/json/search_run.json``."""
    from ablab.reporting import search as text

    return {
        "runs": {**done.result.as_json(), "pruned": done.result.pruned},
        "confirmation_runs": None if done.confirmed is None else done.confirmed.as_json(),
        **text.as_object(done.report),
    }


def _closing(done: SearchResult) -> str:
    results: list[GridResult] = [done.result, *([done.confirmed] if done.confirmed else [])]
    completed = sum(each.completed for each in results)
    failed = sum(each.failed for each in results)
    killed = sum(each.killed for each in results)
    from ablab.reporting.durations import spoken

    text = f"{completed} runs completed, {failed} failed"
    text += f", {killed} killed" if killed else ""
    text += f", {done.result.pruned} pruned" if done.result.pruned else ""
    text += f", {spoken(sum(each.seconds for each in results))}"
    again = f" (exit {done.exit_code}); the same command goes on" if done.exit_code else ""
    return f"{text}{again}; plots: ablab search show {done.report.study} --out FOLDER"


def _keep_plots(report: SearchReport, store: RunStore, out: Path | None) -> None:
    """Draw, write to ``out``, and keep in the store; a store that refuses is a note."""
    from ablab.orchestration.search_summary import keep
    from ablab.reporting import search as text
    from ablab.reporting.search_plots import draw_search

    with tempfile.TemporaryDirectory() as temporary:
        files = draw_search(report, out or Path(temporary))
        problem = keep(report.study, "\n".join(text.lines(report)), files, store)
    if out is not None:
        for file in files:
            click.echo(f"wrote {file}", err=True)
    if problem is not None:
        click.echo(f"note: the plots could not be kept in the store: {problem}", err=True)
