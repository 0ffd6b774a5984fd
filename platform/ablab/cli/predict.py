"""``ablab predict``: the predictions of a finished run as files."""

from __future__ import annotations

from pathlib import Path

import click

from ablab.cli.options import json_option, print_json, print_notices


@click.command()
@click.argument("run")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE.npz|FOLDER",
    help="One .npz file, or a folder for one .npy file per recording.",
)
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="What to decode.",
)
@click.option(
    "--set",
    "overrides",
    metavar="dataset.KEY=VALUE",
    multiple=True,
    help="Set a key of the data set, such as a folder that was moved; repeatable.",
)
@click.option("--force", is_flag=True, help="Replace predictions that are there.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, or cuda:N.")
@json_option
def predict(
    run: str,
    out: Path,
    split: str,
    overrides: tuple[str, ...],
    force: bool,
    device: str,
    as_json: bool,
) -> None:
    """Decode recordings with the best checkpoint of RUN: a run id, or 6 or more digits of its key.

    The file holds subject and recording (names), prediction_0, target_0, prediction_1 ... in the same order;
    numpy.load reads it.

    \b
    Examples:
      ablab predict 3f9c21 --out predictions.npz
      ablab predict 3f9c21 --split validation --out predictions/
    """
    from ablab.orchestration.predictions import SPLITS, export_predictions
    from ablab.paths import Paths
    from ablab.tracking.open import open_store

    paths = Paths.from_environment()
    done = export_predictions(
        run,
        out,
        paths=paths,
        store=open_store(paths),
        split=next(known for known in SPLITS if known == split),
        overrides=overrides,
        force=force,
        device=device,
    )
    print_notices(done.notices)
    if as_json:
        print_json(
            {
                "run_id": done.state.run_id,
                "key": done.state.key,
                "split": split,
                "out": done.out,
                "recordings": done.n_recordings,
                "pearson": done.scores.mean,
                "subjects": {name: entry.r for name, entry in done.scores.subjects.items()},
            }
        )
    else:
        click.echo(
            f"{done.state.cell} seed {done.state.seed}: {split} r {done.scores.mean:.4f}, "
            f"{done.n_recordings} recordings -> {done.out}"
        )
