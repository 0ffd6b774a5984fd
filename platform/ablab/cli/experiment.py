"""``ablab experiment``: write, list, show and run single experiments."""

from __future__ import annotations

from pathlib import Path

import click

from ablab.cli.experiment_check import check
from ablab.cli.options import (
    SPEC_FILE,
    Device,
    experiment_set_option,
    json_option,
    launcher_option,
    plain_name,
    print_json,
    print_notices,
)
from ablab.errors import SpecError


@click.group()
def experiment() -> None:
    """Write, list, show, check and run experiments: one decoder on one data set."""


experiment.add_command(check)


@experiment.command()
@click.argument("name")
@click.option("--extends", required=True, type=SPEC_FILE, metavar="FILE", help="Experiment to start from.")
@click.option("--residual", type=click.Choice(["none", "global", "gated"]), help="Fusion behind the stack.")
@click.option("--mlp-head/--no-mlp-head", default=None, help="MLP head, or one linear layer.")
@click.option("--gradient-scale", metavar="X", help="Factor on the gradient in the backward pass.")
@experiment_set_option
@click.option("--out", default="experiments", show_default=True, type=SPEC_FILE, help="Folder to write to.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def new(
    name: str,
    extends: Path,
    residual: str | None,
    mlp_head: bool | None,
    gradient_scale: str | None,
    overrides: tuple[str, ...],
    out: Path,
    force: bool,
) -> None:
    """Write experiments/NAME.yaml, which extends FILE and sets what is given.

    \b
    Examples:
      ablab experiment new gated_only --extends experiments/original.yaml --residual gated
      ablab experiment new small --extends experiments/original.yaml --set model.n_layers=2
    """
    from ablab.spec.authoring import new_experiment

    improvements = {
        "residual": residual,
        "mlp_head": None if mlp_head is None else str(mlp_head).lower(),
        "gradient_scale": gradient_scale,
    }
    given = [f"improvements.{key}={value}" for key, value in improvements.items() if value is not None]
    click.echo(new_experiment(name, extends, (*given, *overrides), out, force=force))


@experiment.command("list")
@click.argument("folder", type=SPEC_FILE, default="experiments")
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List the experiments in FOLDER; files that do not load are reported, and end in exit code 2.

    \b
    Examples:
      ablab experiment list
      ablab experiment list --json
    """
    from ablab.spec.catalogue import list_experiments

    found, problems = list_experiments(folder)
    if as_json:
        rows = [{"name": entry.name, "file": entry.file, "notes": entry.notes} for entry in found]
        print_json({"experiments": rows})
    else:
        width = max((len(entry.name) for entry in found), default=0)
        for entry in found:
            click.echo(f"{entry.name:{width}}  {entry.file}  {entry.notes or ''}".rstrip())
    if problems:
        raise SpecError(problems)


@experiment.command()
@click.argument("file", type=SPEC_FILE)
@experiment_set_option
@json_option
def show(file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print every key of FILE with its value, and where the value was written.

    \b
    Examples:
      ablab experiment show experiments/v2_full.yaml
      ablab experiment show experiments/quickstart.yaml --set training.loss.kind=pearson --json
    """
    from ablab.spec.load import load_experiment

    loaded = load_experiment(file, overrides)
    print_notices(loaded.notices)
    if as_json:
        print_json(loaded.experiment.model_dump(mode="json"))
    else:
        from ablab.spec.writing import resolved_yaml

        click.echo(resolved_yaml(loaded.experiment, loaded.origins), nl=False)


@experiment.command()
@click.argument("file", type=SPEC_FILE)
@click.option("--seed", required=True, type=click.IntRange(0, 2**32 - 1), help="Seed of the training.")
@experiment_set_option
@click.option(
    "--study",
    default="experiments",
    show_default=True,
    metavar="NAME",
    callback=plain_name,
    help="Study it belongs to.",
)
@click.option("--device", type=Device(), default="auto", show_default=True, help="auto, cpu, or cuda:N.")
@click.option(
    "--gpus", type=click.IntRange(0), metavar="N", help="Train on N GPUs, one process each; 0: CPU."
)
@click.option("--processes", type=click.IntRange(1), metavar="N", help="Train by N processes together.")
@launcher_option("inline")
@json_option
@click.pass_context
def run(
    context: click.Context,
    file: Path,
    seed: int,
    overrides: tuple[str, ...],
    study: str,
    device: str,
    gpus: int | None,
    processes: int | None,
    launcher: str,
    launcher_options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train FILE under one seed and record it; what is done already is not trained again.

    The number of processes changes what is trained: batch_size is that of each, and a trial of two is
    another trial than that of one.

    \b
    Examples:
      ablab experiment run experiments/quickstart.yaml --seed 0
      ablab experiment run experiments/quickstart.yaml --seed 0 --gpus 0 --processes 2
    """
    from ablab.orchestration.processes import placed

    where = placed(file, overrides, gpus=gpus, processes=processes, device=device)
    loaded = where.loaded
    print_notices(loaded.notices)
    from ablab.cli.single_run import train_and_tell

    context.exit(
        train_and_tell(
            loaded,
            seed=seed,
            study=study,
            device=where.device,
            gpus=where.gpus,
            launcher=launcher,
            launcher_options=launcher_options,
            as_json=as_json,
        )
    )
