"""``ablab regression``: promote a result, guard it, look back, and do so on a schedule."""

from __future__ import annotations

from pathlib import Path

import click

from ablab.cli.launching import Launch, launch_options
from ablab.cli.options import SPEC_FILE, json_option, print_json, print_notices


@click.group()
def regression() -> None:
    """Promote a result to baseline, and see that it holds."""


@regression.command()
@click.argument("study")
@click.option(
    "--cell", metavar="CELL", help="Cell to promote (id or label); default: the declared treatment."
)
@click.option("--name", required=True, metavar="NAME", help="Name of the baseline.")
@click.option("--why", default="", metavar="TEXT", help="Why, for those who come later.")
@json_option
def promote(study: str, cell: str | None, name: str, why: str, as_json: bool) -> None:
    """Make the finished runs of a cell of STUDY the baseline NAME; earlier versions are kept.

    \b
    Example:
      ablab regression promote quickstart --name smoke --why "first quickstart"
    """
    from ablab.paths import Paths
    from ablab.regression import listing
    from ablab.regression.promotion import promote as promote_cell
    from ablab.tracking.open import open_baselines, open_store

    paths = Paths.from_environment()
    store = open_store(paths)
    done = promote_cell(
        study, name=name, cell=cell, why=why, paths=paths, store=store, baselines=open_baselines(paths)
    )
    print_notices(done.notes)
    if as_json:
        print_json(listing.promotion_object(done))
    else:
        click.echo("\n".join(listing.promotion_lines(done)))


@regression.command()
@click.argument("name")
@json_option
def baselines(name: str, as_json: bool) -> None:
    """List the versions of the baseline NAME: when, by whom, of what, why.

    \b
    Example:
      ablab regression baselines smoke
    """
    from ablab.paths import Paths
    from ablab.regression import listing
    from ablab.tracking.open import open_baselines

    found = open_baselines(Paths.from_environment()).versions(name)
    if as_json:
        print_json(listing.versions_object(name, found))
    else:
        click.echo("\n".join(listing.versions_lines(found)))


@regression.command()
@click.argument("file", type=SPEC_FILE)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set a key of the experiment, or of the gate with 'regression.' in front; repeatable.",
)
@launch_options
@click.option("--summary", type=click.Path(path_type=Path), metavar="FILE", help="Write Markdown there.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML there.")
@json_option
@click.pass_context
def run(
    context: click.Context,
    file: Path,
    overrides: tuple[str, ...],
    launch: Launch,
    summary: Path | None,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Train FILE's experiment with the code as it is now and compare it with its baseline.

    Exit code 0: PASS. 1: FAIL. 3: INCONCLUSIVE. 2: wrong input.

    \b
    Examples:
      ablab regression run ablations/regression_smoke.yaml
      ablab regression run ablations/regression_smoke.yaml --junit gate.xml --summary gate.md
    """
    from ablab.paths import Paths
    from ablab.regression import record, words
    from ablab.regression.gate import run_gate
    from ablab.regression.values import EXIT_CODES
    from ablab.reporting.progress import terminal_progress
    from ablab.spec.load_regression import load_regression
    from ablab.tracking.open import open_baselines, open_gates, open_store

    loaded = load_regression(file, overrides)
    print_notices(loaded.notices)
    for output in (summary, junit):
        if output is not None and not output.absolute().parent.is_dir():
            raise click.UsageError(f"{output}: its folder does not exist")
    paths = Paths.from_environment()
    store = open_store(paths)
    gate = run_gate(
        loaded,
        paths=paths,
        store=store,
        baselines=open_baselines(paths),
        gates=open_gates(paths),
        progress=terminal_progress(),
        **launch,
    )
    written = record.files(gate)
    for output, name in ((summary, record.NAME_MARKDOWN), (junit, record.NAME_JUNIT)):
        if output is not None:
            output.write_text(written[name], encoding="utf-8")
    if as_json:
        print_json(record.as_object(gate))
    else:
        click.echo("\n".join(words.lines(gate)))
    context.exit(EXIT_CODES[gate.verdict])


@regression.command()
@click.argument("name")
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Write the picture (PNG) there."
)
@json_option
def history(name: str, plot: Path | None, as_json: bool) -> None:
    """Print every gate of NAME, a gate's file name or a baseline, and draw them.

    \b
    Example:
      ablab regression history smoke
    """
    from ablab.paths import Paths
    from ablab.regression import history as nights_of
    from ablab.regression.history_plot import draw
    from ablab.tracking.open import open_gates

    paths = Paths.from_environment()
    nights = nights_of.history(name, open_gates(paths))
    file = draw(name, nights, plot or paths.regression / f"{name}.png")
    if as_json:
        print_json(nights_of.as_object(name, nights, str(file)))
    else:
        click.echo("\n".join([*nights_of.lines(nights), f"plot  {file}"]))


@regression.command()
@click.argument("files", nargs=-1, required=True, type=SPEC_FILE)
@launch_options
def serve(
    files: tuple[Path, ...],
    launch: Launch,
) -> None:
    """Run the gates in FILES when their schedules say so, in the foreground, until SIGTERM or Ctrl-C.

    One gate runs at a time. What was due while nothing served is run once, where it is not later than its
    misfire grace. Each gate's last run is written to <state root>/regression/<name>.last.json.

    \b
    Example:
      ablab regression serve ablations/regression_nightly.yaml
    """
    from datetime import datetime

    from ablab.paths import Paths
    from ablab.regression.schedule import serve as serve_gates
    from ablab.spec.load_regression import load_regression

    def tell(text: str) -> None:
        click.echo(f"{datetime.now().astimezone().isoformat(timespec='seconds')}  {text}", err=True)

    options = ["--launcher", launch["launcher"], "--device", launch["device"]]
    options += ["--workers", str(launch["workers"] or "auto")]
    options += [part for each in launch["launcher_options"] for part in ("--launcher-option", each)]
    gates = [load_regression(file) for file in files]
    serve_gates(gates, paths=Paths.from_environment(), options=options, tell=tell)
