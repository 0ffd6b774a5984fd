"""What a report costs: ``ablab report`` in a process of its own, on made-up runs in a real MLflow database.

The database is MLflow's, made by MLflow; the runs' rows are then written into it in bulk, as 5,000 runs
through the client would take longer than all else. Everything from reading the database to the files is what
a user waits for, the start of the interpreter included. 10,000 bootstrap draws.

``seconds`` are of the wall, ``cpu_seconds`` of user and system: on a machine that does other work meanwhile,
only the latter mean something.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter

import numpy as np

from ablab.comparison.bootstrap import DRAWS
from ablab.designs.expand import expand
from ablab.orchestration.declared import declare
from ablab.paths import Paths
from ablab.spec.load import LoadedGrid, load_grid
from ablab.spec.record import SubjectScore
from ablab.spec.trial import Trial
from ablab.tracking.mlflow.rows import opening_tags, subject_tags
from ablab.tracking.open import open_store

N_SUBJECTS = 85
EPOCHS = 100
"""Evaluations of a run, points of its validation curve: the guide's 1000 epochs, every 10th evaluated."""

BASE = f"""name: report
dataset: {{kind: simulated, n_subjects: {N_SUBJECTS}}}
"""
SIZES = {
    "60 runs": {
        "improvements.residual": "[none, global, gated]",
        "improvements.mlp_head": "[false, true]",
        "improvements.gradient_scale": "[1.0, 2.0]",
    },
    "5000 runs": {
        "improvements.residual": "[none, gated]",
        "improvements.mlp_head": "[false, true]",
        "improvements.gradient_scale": str([1.0 + step / 10 for step in range(10)]),
        "training.learning_rate": str([round(1e-4 * (1 + step / 10), 8) for step in range(25)]),
    },
}


def measure() -> list[dict[str, str | int | float]]:
    """One row per size."""
    rows: list[dict[str, str | int | float]] = []
    for name, factors in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            paths = Paths(Path(folder) / "mlruns")
            loaded = _declared(Path(folder), factors, paths)
            trials = expand(loaded.grid, loaded.bases, "d" * 32)
            _record(trials, paths)
            rows.append({"size": name, "cells": len({t.cell.id for t in trials}), **_timed(paths, folder)})
    return rows


def _timed(paths: Paths, folder: str) -> dict[str, str | int | float]:
    begun, before = perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ablab")),
            "report",
            "report",
            "--json",
            "--out",
            f"{folder}/out",
        ],
        env={**os.environ, "ABLAB_HOME": str(paths.root)},
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    files = [Path(file) for file in json.loads(done.stdout)["files"]]
    return {
        "subjects": N_SUBJECTS,
        "draws": DRAWS,
        "seconds": round(perf_counter() - begun, 2),
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        **{f"{file.suffix[1:]}_kilobytes": round(file.stat().st_size / 1000) for file in files},
    }


def _declared(folder: Path, factors: dict[str, str], paths: Paths) -> LoadedGrid:
    (folder / "base.yaml").write_text(BASE)
    lines = [f"  {key}: {levels}" for key, levels in factors.items()]
    grid = "\n".join(
        ["kind: grid", "name: report", "base: base.yaml", "factors:", *lines, "seeds: [0, 1, 2, 3, 4]"]
    )
    (folder / "grid.yaml").write_text(grid)
    loaded = load_grid(folder / "grid.yaml")
    declare(loaded, paths)
    return loaded


def _record(trials: tuple[Trial, ...], paths: Paths) -> None:
    """The first run through MLflow, which makes the database; the others as rows like the first one's."""
    rng = np.random.default_rng(0)
    level = rng.normal(0.15, 0.03, N_SUBJECTS)
    scores = _scores(trials[0], level, rng)
    writer = open_store(paths).open_run(trials[0])
    for step in range(1, EPOCHS + 1):
        writer.metrics(step, {"validation/pearson": 0.15 * (1 - np.exp(-step / 20))})
    writer.finish(_metrics(scores), scores)
    with closing(sqlite3.connect(paths.mlflow_db)) as database, database:
        columns = [each[1] for each in database.execute("PRAGMA table_info(runs)")]
        (first,) = database.execute("SELECT * FROM runs WHERE run_uuid = ?", (writer.run_id,)).fetchall()
        template = dict(zip(columns, first, strict=True))
        for number, trial in enumerate(trials[1:]):
            run_id = f"{number:032x}"
            run = {**template, "run_uuid": run_id, "name": trial.name}
            scores = _scores(trial, level, rng)
            tags = {**opening_tags(trial, "seed", 1), **subject_tags(scores), "device": "cuda:0"}
            marks = ", ".join("?" * len(columns))
            database.execute(f"INSERT INTO runs VALUES ({marks})", [run[name] for name in columns])
            database.executemany(
                "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
                [(key, value, run_id) for key, value in tags.items()],
            )
            database.executemany(
                "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)"
                " VALUES (?, ?, 0, ?, 0, ?)",
                [(key, value, EPOCHS, run_id) for key, value in _metrics(scores).items()],
            )
            database.executemany(
                "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)"
                " VALUES (?, ?, 0, ?, ?, 0)",
                [("validation/pearson", value, run_id, step) for step, value in _curve(rng)],
            )


def _curve(rng: np.random.Generator) -> Iterator[tuple[int, float]]:
    for step in range(1, EPOCHS + 1):
        yield step, float(0.15 * (1 - np.exp(-step / 20)) + rng.normal(0, 0.005))


def _scores(trial: Trial, level: np.ndarray, rng: np.random.Generator) -> tuple[SubjectScore, ...]:
    gain = 0.01 * (trial.cell.experiment.improvements.residual == "gated")
    r = level + gain + rng.normal(0, 0.004) + rng.normal(0, 0.01, N_SUBJECTS)
    return tuple(
        SubjectScore(f"sub-{subject:03}", 1, 30, float(value), float(value), 0.0, 0.04, chance_p=0.001)
        for subject, value in enumerate(r)
    )


def _metrics(scores: tuple[SubjectScore, ...]) -> dict[str, float]:
    """Final metrics: as many as a real run has."""
    mean = float(np.mean([score.test for score in scores]))
    named = {"test/pearson": mean, "test/chance_p95": 0.02, "gradient/ratio": 0.03}
    named |= {"weights/front_change": 0.2, "model/parameters": 1.5e7}
    return named | {f"measured/{n}": n / 7 for n in range(40)}
