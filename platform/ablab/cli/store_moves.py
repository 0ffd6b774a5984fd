"""``ablab store export`` and ``import``: a study as one file, from one machine to another."""

from __future__ import annotations

from pathlib import Path

import click

from ablab.cli.options import json_option, print_json

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("export")
@click.argument("study")
@click.option("--out", required=True, type=_FILE, metavar="FILE", help="Bundle to write, such as study.zip.")
@json_option
def export(study: str, out: Path, as_json: bool) -> None:
    """Write STUDY into one file: every run that has ended, its files, and what was declared.

    \b
    Example:
      ablab store export quickstart --out quickstart.zip
    """
    from ablab.orchestration.moving import export_study
    from ablab.paths import Paths
    from ablab.tracking.open import open_store, open_transfer

    paths = Paths.from_environment()
    done = export_study(study, out, store=open_store(paths), transfer=open_transfer(paths), paths=paths)
    if as_json:
        print_json(done.as_json())
        return
    megabytes = done.file.stat().st_size / 1e6
    click.echo(f"{done.study}: {done.runs} runs in {done.file}, {megabytes:.1f} MB")
    for name in done.left_out:
        click.echo(f"left out  {name}: it has not ended")
    click.echo(f"next  copy it to the other machine;  ablab store import {done.file.name}")


@click.command("import")
@click.argument("file", type=_FILE)
@click.option(
    "--max-gigabytes",
    default=50.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Refuse a bundle that takes more room unpacked.",
)
@json_option
def import_(file: Path, max_gigabytes: float, as_json: bool) -> None:
    """Record the runs in FILE, which `ablab store export` wrote; repeating it changes nothing.

    The file is checked before anything is recorded. A trial that this store has a run of already keeps it.

    \b
    Example:
      ablab store import quickstart.zip
    """
    from ablab.orchestration.moving import import_bundle
    from ablab.paths import Paths
    from ablab.tracking.open import open_transfer

    paths = Paths.from_environment()
    done = import_bundle(
        file, transfer=open_transfer(paths), paths=paths, most_bytes=round(max_gigabytes * 1e9)
    )
    if as_json:
        print_json(done.as_json())
        return
    click.echo(f"{done.study}: {done.imported} runs imported, {done.here_already} here already")
    for name in done.kept_own:
        click.echo(f"kept      {name}: this store has a run of that trial, which stays")
    for note in done.notes:
        click.echo(f"note      {note}")
    click.echo(f"next  ablab compare {done.study};  ablab ui")


@click.command()
@json_option
def migrate(as_json: bool) -> None:
    """Bring the databases under the state root to what the installed MLflow and Optuna want.

    The databases as they were stay beside the new ones. Run it after an upgrade, when a command says that a
    database's schema is out of date.

    \b
    Example:
      ablab store migrate
    """
    from ablab.orchestration.migration import migrate as bring
    from ablab.paths import Paths
    from ablab.tracking.open import open_store

    paths = Paths.from_environment()
    done = bring(paths, open_store(paths))
    if as_json:
        print_json({"databases": [each.as_json() for each in done]})
        return
    for each in done:
        if each.kept is None:
            click.echo(f"{each.database}: up to date (schema {each.now})")
        else:
            click.echo(f"{each.database}: schema {each.was} -> {each.now}; the old one is kept: {each.kept}")
    if not done:
        click.echo("nothing is recorded here yet")
