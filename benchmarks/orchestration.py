"""What a trial costs beside its training: a grid of trials that train for one step, on two workers.

Everything a real trial pays is in it: a fresh process, opening the corpus, the MLflow run with its
artifacts, Optuna, and the evaluation and chance of a tiny corpus.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
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


def measure() -> list[dict[str, str | float]]:
    """One row for the first run (60 trials) and one for the second, which finds all of them done."""
    rows: list[dict[str, str | float]] = []
    with tempfile.TemporaryDirectory() as home:
        sets = [part for value in TINY for part in ("--set", value)]
        command = [str(Path(sys.executable).with_name("ablab")), "grid", "run", "ablations/quickstart.yaml"]
        for name in ("first run", "second run, nothing missing"):
            begun = perf_counter()
            done = subprocess.run(
                [*command, "--workers", "2", "--json", *sets],
                cwd=ROOT,
                env={**os.environ, "ABLAB_HOME": home},
                capture_output=True,
                text=True,
                check=True,
            )
            seconds = perf_counter() - begun
            result = json.loads(done.stdout)
            row: dict[str, str | float] = {
                "grid": name,
                "completed": result["completed"],
                "seconds": round(seconds, 1),
            }
            if result["completed"]:
                row["seconds_per_trial"] = round(seconds / result["completed"], 2)
            rows.append(row)
    return rows
