"""One training from the command line: what ``ablab experiment run`` and ``ablab train`` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ablab.cli.options import print_json

if TYPE_CHECKING:
    from ablab.spec.load import LoadedExperiment


def train_and_tell(
    loaded: LoadedExperiment,
    *,
    seed: int,
    device: str,
    gpus: int | None,
    study: str = "experiments",
    launcher: str = "inline",
    launcher_options: Sequence[str] = (),
    as_json: bool = False,
) -> int:
    """Train under one seed, record it, say how it ended and how it stands; the command's exit code."""
    from ablab.cli.conclusion import tell_standing
    from ablab.orchestration.experiment import run_experiment
    from ablab.paths import Paths
    from ablab.reporting.progress import terminal_progress
    from ablab.tracking.open import open_store

    paths = Paths.from_environment()
    store = open_store(paths)
    result = run_experiment(
        loaded,
        seed=seed,
        paths=paths,
        study=study,
        device=device,
        gpus=gpus,
        store=store,
        launcher=launcher,
        launcher_options=launcher_options,
        progress=terminal_progress(),
    )
    if result.completed or result.skipped:
        tell_standing(loaded.experiment, seed, study, paths=paths, store=store, err=as_json)
    if as_json:
        print_json(result.as_json())
        return result.exit_code
    outcome = "done" if result.completed else "was done before" if result.skipped else "did not finish"
    click.echo(f"{loaded.experiment.name} seed {seed}: {outcome} after {result.seconds:.0f} s")
    for failure in result.failures:
        click.echo(f"failed: {failure.error}   see: ablab logs {failure.key[:8]}", err=True)
    click.echo(f"next  ablab compare {result.study};  ablab ui")
    return result.exit_code
