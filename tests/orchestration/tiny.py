"""The smallest grid that trains, as files, and the command line that runs it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import IO

from ablab.paths import Paths
from ablab.spec.load import LoadedGrid, load_grid

EXPERIMENT = """
name: tiny
dataset: {{kind: simulated, n_subjects: 2, minutes: 1.0, n_chans: 4, window_seconds: 2}}
model: {{kind: conformer, d_model: 8, d_inner: 8, n_heads: 1, n_layers: 1, conv_kernel_size: 3}}
training: {{epochs: {epochs}, batch_size: 4, evaluate_every: {evaluate_every}}}
evaluation: {{segment_seconds: 2}}
diagnostics: {{preset: cheap, every_steps: 100}}
"""

GRID = """
kind: grid
name: tinygrid
base: tiny.yaml
factors: {{improvements.mlp_head: [false, true]}}
seeds: {seeds}
"""

ABLAB = (sys.executable, "-c", "from ablab.cli.main import main; main()")


def write(
    folder: Path, *, epochs: int = 1, seeds: tuple[int, ...] = (0,), evaluate_every: int | None = None
) -> Path:
    """Write the two files, and return the grid's; a checkpoint is written at every evaluation."""
    (folder / "tiny.yaml").write_text(
        EXPERIMENT.format(epochs=epochs, evaluate_every=evaluate_every or epochs)
    )
    grid = folder / "grid.yaml"
    grid.write_text(GRID.format(seeds=list(seeds)))
    return grid


def loaded(folder: Path, *, epochs: int = 1, seeds: tuple[int, ...] = (0,)) -> LoadedGrid:
    return load_grid(write(folder, epochs=epochs, seeds=seeds))


def environment(paths: Paths) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return kept | {"ABLAB_HOME": str(paths.root), "OMP_NUM_THREADS": "1"}


def start(
    paths: Paths,
    *arguments: str | Path,
    output: int = subprocess.PIPE,
    errors: int | IO[str] = subprocess.PIPE,
    store: str | None = None,
) -> subprocess.Popen[str]:
    """``ablab ...`` as the leader of its own process group."""
    return subprocess.Popen(
        [*ABLAB, *map(str, arguments)],
        env=environment(paths) | ({} if store is None else {"MLFLOW_TRACKING_URI": store}),
        stdout=output,
        stderr=errors,
        text=True,
        start_new_session=True,
    )


def finished_keys(paths: Paths) -> list[str]:
    """Key of every finished run in MLflow's own tables, superseded ones included."""
    query = (
        "SELECT tags.value FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = 'key'"
        " WHERE runs.status = 'FINISHED'"
    )
    with sqlite3.connect(paths.mlflow_db) as connection:
        return sorted(row[0] for row in connection.execute(query))
