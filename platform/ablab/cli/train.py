"""``ablab train``: the guide's own flags, for people who come from its scripts."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from ablab.cli.options import SPEC_FILE, experiment_set_option, print_notices
from ablab.errors import InputError


@click.command()
@click.option(
    "--variant", type=click.Choice(["original", "v2"]), required=True, help="The decoder before v2, or v2."
)
@click.option("--epoch", type=int, metavar="N", help="Passes over the data.  [1000]")
@click.option("--batch_size", type=int, metavar="N", help="Windows per process and step.  [64]")
@click.option("--n_layers", type=int, metavar="N", help="Conformer blocks.  [8]")
@click.option("--d_model", type=int, metavar="N", help="Width of the decoder.  [256]")
@click.option("--n_head", type=int, metavar="N", help="Attention heads.  [4]")
@click.option("--conv_kernel_size", type=int, metavar="N", help="Depthwise kernel, samples; odd.  [31]")
@click.option("--learning_rate", type=float, metavar="X", help="[0.0001]")
@click.option(
    "--use_gated_residual", type=bool, metavar="BOOL", help="v2: True gated, False simple residual.  [True]"
)
@click.option("--use_mlp_head", type=bool, metavar="BOOL", help="v2: True MLP head, False linear.  [True]")
@click.option("--gradient_scale", type=float, metavar="X", help="v2: factor in the backward pass.  [2.0]")
@click.option("--gpu", type=click.IntRange(-1), metavar="N", help="GPU to train on; -1 is the CPU.")
@click.option("--use_ddp", is_flag=True, help="One process per GPU; say how many with --nproc_per_node.")
@click.option("--nproc_per_node", type=click.IntRange(1), metavar="N", help="GPUs of this training.")
@click.option("--data", metavar="FOLDER", help="Folder of recordings.  [data/split_data]")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed.")
@experiment_set_option
@click.option("--save", type=SPEC_FILE, metavar="FILE", help="Write the spec to FILE as well.")
@click.option("--dry-run", is_flag=True, help="Print the spec and train nothing.")
@click.pass_context
def train(
    context: click.Context,
    /,
    gpu: int | None,
    seed: int,
    overrides: tuple[str, ...],
    save: Path | None,
    dry_run: bool,
    **flags: Any,
) -> None:
    """Train with the guide's flags; prints the ablab spec that they mean, then trains and records it.

    Booleans are read as they are written: True, true, yes, 1 or False, false, no, 0.

    \b
    Examples:
      ablab train --variant original --dry-run
      ablab train --variant v2 --use_gated_residual False --gradient_scale 1.5 --dry-run
    """
    from ablab.spec.guide_flags import GuideFlags, guide_experiment, guide_spec
    from ablab.spec.writing import resolved_yaml

    given = GuideFlags(**{each.name: flags[each.name] for each in fields(GuideFlags)})
    if gpu is not None and given.use_ddp:
        raise InputError(
            "--gpu and --use_ddp: several processes take the GPUs of CUDA_VISIBLE_DEVICES; leave --gpu out"
        )
    loaded = guide_experiment(given, overrides)
    print_notices(loaded.notices)
    text = resolved_yaml(loaded.experiment) if overrides else guide_spec(given)[1]
    click.echo(text, nl=False)
    if save is not None:
        from ablab.spec.authoring import put

        put(save, text)
        click.echo(f"saved  {save}", err=True)
    if dry_run:
        return
    from ablab.cli.single_run import train_and_tell

    device = "auto" if gpu is None else "cpu" if gpu < 0 else f"cuda:{gpu}"
    context.exit(train_and_tell(loaded, seed=seed, device=device, gpus=given.nproc_per_node))
