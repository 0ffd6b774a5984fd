"""``ablab schema``: the JSON schema of a spec file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ablab.cli.options import print_json

if TYPE_CHECKING:
    from ablab.spec.schema import SchemaKind


@click.command()
@click.argument(
    "kind",
    type=click.Choice(["experiment", "grid", "search", "regression", "claims"]),
    default="experiment",
)
def schema(kind: SchemaKind) -> None:
    """Print the JSON schema of KIND (experiment, grid, search, regression or claims), for editors.

    \b
    Examples:
      ablab schema
      ablab schema grid
      ablab schema search
    """
    from ablab.spec.schema import json_schema

    print_json(json_schema(kind))
