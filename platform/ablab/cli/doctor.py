"""``ablab doctor``: what is wrong with the set-up, and what to do."""

from __future__ import annotations

from dataclasses import asdict

import click

from ablab.cli.options import json_option, print_json

_MARKS = {"ok": " ", "note": "-", "wrong": "!"}


@click.command()
@click.option("--fix", "mend", is_flag=True, help="Deliver journals, close dead runs, remove stale leases.")
@json_option
@click.pass_context
def doctor(context: click.Context, mend: bool, as_json: bool) -> None:
    """Look at installation, GPUs, disk, tracking store, leases, runs and journals; exit code 1 for faults.

    \b
    Examples:
      ablab doctor
      ablab doctor --fix
    """
    from ablab.errors import StoreError
    from ablab.orchestration.doctor import examine, fix
    from ablab.paths import Paths
    from ablab.tracking.open import open_store

    paths = Paths.from_environment()
    done: tuple[str, ...] = ()
    if mend:
        try:
            done = fix(paths, open_store(paths))
        except StoreError as error:
            click.echo(f"nothing could be mended: {error}", err=True)
    found = examine(paths)
    is_well = all(finding.state != "wrong" for finding in found)
    if as_json:
        print_json({"ok": is_well, "fixed": list(done), "findings": [asdict(finding) for finding in found]})
    else:
        for line in done:
            click.echo(f"fixed  {line}")
        for finding in found:
            click.echo(f"{_MARKS[finding.state]} {finding.check:<12}{finding.text}")
            for line in finding.advice.splitlines():
                click.echo(f"{'':14}-> {line}")
    context.exit(0 if is_well else 1)
