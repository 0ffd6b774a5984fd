"""``ablab schema``: the JSON schema of a spec file."""

from __future__ import annotations

import click

from ablab.cli.options import print_json


@click.command()
@click.argument("kind", type=click.Choice(["experiment", "grid"]), default="experiment")
def schema(kind: str) -> None:
    """Print the JSON schema of KIND (experiment or grid), for editors.

    \b
    Examples:
      ablab schema
      ablab schema grid
    """
    from ablab.spec.schema import json_schema

    print_json(json_schema("grid" if kind == "grid" else "experiment"))
