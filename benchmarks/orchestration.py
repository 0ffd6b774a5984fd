"""What a trial costs beside its training, set against other ways to run it; and plans of 10,000 cells.

Three tables. *Trials that train nothing*: 64 of them, 5 metrics x 20 steps each, on 2 workers. One rule for
all: the whole wall time from the start of the command, torch imported where the trial runs, MLflow writing to
a SQLite file; every row is checked to have written 64 finished runs with all their points. *Grids*: 60 trials
that train one step, with everything a real trial pays. *Plans*: the command ``grid plan`` on designs of up to
10,000 cells, with an empty store, and with one in which all but one of the runs are finished.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from benchmarks.finished_runs import fill
from benchmarks.noop.work import METRICS, STEPS, TRIALS

ROOT = Path(__file__).resolve().parents[1]
ABLAB = str(Path(sys.executable).with_name("ablab"))
TINY = [
    "dataset.n_subjects=2",
    "dataset.minutes=2",
    "dataset.n_chans=8",
    "dataset.windows_per_recording=1",
    "model.d_model=8",
    "model.d_inner=8",
    "training.epochs=1",
    "training.evaluate_every=1",
    "training.batch_size=64",
    "grid.seeds=[0,1,2,3,4]",
]
RUNNERS = {
    "ours": ("ablab: session, local launcher, Optuna, MLflow", True),
    "optuna_threads": ("Optuna threads + MLflow as its callback writes", False),
    "ray_tune": ("Ray Tune + OptunaSearch + MLflow callback", True),
    "interpreters": ("a new interpreter per trial", True),
}
"""Module of ``benchmarks.noop`` -> what it is, and whether a trial that crashes takes no other with it."""
CELLS = {1_000: (40, 25), 3_000: (60, 50), 10_000: (100, 100)}
"""Cells -> levels of the two factors."""
Row = dict[str, str | float | bool]


def measure(full: bool = False) -> list[Row]:
    """Three repeats of the trials that train nothing with ``full``, else one; the grids; the plans."""
    rows = [_trials_that_train_nothing(name, repeats=3 if full else 1) for name in RUNNERS]
    return [*rows, *_grids(), *(row for n in CELLS for row in _plans(n))]


def _trials_that_train_nothing(name: str, repeats: int) -> Row:
    walls = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as home:
            walls.append(_wall([sys.executable, "-m", f"benchmarks.noop.{name}", home], home))
            _check_written(Path(home) / "mlflow.db")
    what, isolated = RUNNERS[name]
    middle = statistics.median(walls)
    return {
        "trials": what,
        "isolated": isolated,
        "repeats": repeats,
        "seconds": round(middle, 2),
        "fastest": round(min(walls), 2),
        "slowest": round(max(walls), 2),
        "seconds_per_trial": round(middle / TRIALS, 3),
    }


def _check_written(database: Path) -> None:
    """A row that wrote less than the others would be no row."""
    with sqlite3.connect(database) as connection:
        (finished,) = connection.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone()
        (points,) = connection.execute("SELECT count(*) FROM metrics").fetchone()
    assert finished == TRIALS, f"{database}: {finished} finished runs"
    assert points >= TRIALS * METRICS * STEPS, f"{database}: {points} points"


def _grids() -> list[Row]:
    """The first run of a grid of 60 trials, and the second, which finds all of them done."""
    rows: list[Row] = []
    sets = [part for value in TINY for part in ("--set", value)]
    command = [ABLAB, "grid", "run", "ablations/quickstart.yaml", "--workers", "2", "--json", *sets]
    with tempfile.TemporaryDirectory() as home:
        for name in ("first run", "second run, nothing missing"):
            begun = perf_counter()
            done = subprocess.run(
                command, cwd=ROOT, env=_in(home), capture_output=True, text=True, check=True
            )
            seconds = perf_counter() - begun
            completed = json.loads(done.stdout)["completed"]
            row: Row = {"grid": name, "completed": completed, "seconds": round(seconds, 1)}
            if completed:
                row["seconds_per_trial"] = round(seconds / completed, 2)
            rows.append(row)
    return rows


def _plans(n: int) -> list[Row]:
    """``grid plan`` of ``n`` cells: with nothing recorded, and with all but one of the runs finished."""
    rates, decays = CELLS[n]
    with tempfile.TemporaryDirectory() as home:
        file = Path(home) / "design.yaml"
        file.write_text(
            f"kind: grid\nname: design\nbase: {ROOT / 'experiments' / 'quickstart.yaml'}\nfactors:\n"
            f"  training.learning_rate: {[round(1e-4 * (1 + step), 6) for step in range(rates)]}\n"
            f"  training.weight_decay: {[round(1e-3 * step, 6) for step in range(decays)]}\nseeds: [0]\n"
        )
        command = [ABLAB, "grid", "plan", str(file), "--json"]
        _wall(command, home)  # simulates the data
        empty = _times(command, home)
        fill(file, Path(home), leave_out=1)
        filled = _times(command, home)
        states = json.loads(
            subprocess.run(command, env=_in(home), capture_output=True, text=True, check=True).stdout
        )["trials"]
    missing = sum(trial["state"] == "missing" for trial in states)
    assert missing == 1, f"{missing} of {n} are missing, and one was left out"
    return [
        {"plan": "of so many cells", "cells": n, **empty},
        {"plan": "and what is missing among so many finished runs", "cells": n, **filled},
    ]


def _wall(command: list[str], home: str) -> float:
    begun = perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=_in(home), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return perf_counter() - begun


def _times(command: list[str], home: str) -> Row:
    """Wall and CPU seconds; on a machine with other work the latter says more."""
    before = _cpu_of_children()
    wall = _wall(command, home)
    return {"seconds": round(wall, 2), "cpu_seconds": round(_cpu_of_children() - before, 2)}


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _in(home: str) -> dict[str, str]:
    outside = {"MLFLOW_TRACKING_URI"}
    return {name: value for name, value in os.environ.items() if name not in outside} | {"ABLAB_HOME": home}
