"""``ablab grid new``: write a grid file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ablab.cli.options import SPEC_FILE

if TYPE_CHECKING:
    from ablab.spec.grid import DesignName

_DESIGNS = ("full_factorial", "leave_one_out", "add_one_in", "one_at_a_time")
"""Designs over factors; a named design lists whole files, which are better written by hand."""


@click.command("new")
@click.argument("name")
@click.option("--base", required=True, type=SPEC_FILE, metavar="FILE", help="Experiment that is varied.")
@click.option(
    "--factor",
    "factors",
    required=True,
    multiple=True,
    metavar="KEY=A,B,...",
    help="Key and its levels, the reference first, the full level last; repeatable.",
)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Replicates of a cell.")
@click.option("--design", default="full_factorial", show_default=True, type=click.Choice(_DESIGNS))
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="grid.KEY=VALUE",
    help="Further key of the grid, such as grid.analysis.sesoi=0.02; repeatable.",
)
@click.option("--out", default="ablations", show_default=True, type=SPEC_FILE, help="Folder to write to.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def new(
    name: str,
    base: Path,
    factors: tuple[str, ...],
    seeds: int,
    design: str,
    overrides: tuple[str, ...],
    out: Path,
    force: bool,
) -> None:
    """Write ablations/NAME.yaml: a grid over an experiment.

    \b
    Examples:
      ablab grid new scales --base experiments/v2_full.yaml --factor improvements.gradient_scale=1.0,2.0,3.0
      ablab grid new pair --base experiments/quickstart.yaml --factor improvements.mlp_head=false,true \\
        --factor improvements.residual=none,gated --design leave_one_out --seeds 5
    """
    from ablab.spec.authoring import new_grid

    path = new_grid(
        name,
        base,
        factors,
        seeds,
        out,
        design=cast("DesignName", design),
        overrides=overrides,
        force=force,
    )
    click.echo(path)
