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
@click.option("--reference", is_flag=True, help="Print the Markdown page of every kind instead.")
def schema(kind: SchemaKind, reference: bool) -> None:
    """Print the JSON schema of KIND (experiment, grid, search, regression or claims), for editors.

    \b
    Examples:
      ablab schema
      ablab schema grid
      ablab schema --reference
    """
    if reference:
        from ablab.spec.reference import markdown

        click.echo(markdown(), nl=False)
        return
    from ablab.spec.schema import json_schema

    print_json(json_schema(kind))
