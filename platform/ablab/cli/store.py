"""``ablab store``: deliver what waits, move studies between machines, bring databases up to date."""

from __future__ import annotations

import click

from ablab.cli.options import json_option, print_json
from ablab.cli.store_moves import export, import_, migrate


@click.group()
def store() -> None:
    """Deliver what waits, move studies between machines, bring databases up to date."""


for command in (export, import_, migrate):
    store.add_command(command)


@store.command()
@json_option
@click.pass_context
def sync(context: click.Context, as_json: bool) -> None:
    """Deliver what runs have written while the store was away; exit code 1 where something is left.

    Grids do this themselves; after a crash, or where a server came back too late for that, this does.

    \b
    Example:
      ablab store sync
    """
    from ablab.paths import Paths
    from ablab.tracking.open import open_store

    opened = open_store(Paths.from_environment())
    delivery = opened.deliver()
    if as_json:
        left = [
            {"run_id": run.run_id, "name": run.name, "folder": str(run.folder), "reason": run.reason}
            for run in delivery.left
        ]
        print_json({"store": opened.address, "delivered": list(delivery.delivered), "left": left})
    else:
        for run_id in delivery.delivered:
            click.echo(f"delivered  run {run_id}")
        for run in delivery.left:
            click.echo(f"left       {run.name} (run {run.run_id}): {run.reason}")
        if not delivery.delivered and not delivery.left:
            click.echo(f"{opened.address}: nothing waits to be delivered")
    context.exit(1 if delivery.left else 0)
