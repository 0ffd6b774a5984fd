"""Plain Optuna, two threads, each trial written to MLflow when it ends: what MLflowCallback does.

optuna-integration, which has that callback, is no dependency of ablab: the same is written out here with
MLflow's client. Trials are threads of one process: one that crashes takes all with it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import optuna
import torch  # noqa: F401

from benchmarks.noop.work import TRIALS, WORKERS, prepare, record


def main(home: Path) -> None:
    """Run the trials."""
    uri = f"sqlite:///{home / 'mlflow.db'}"
    prepare(uri, "noop")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=f"sqlite:///{home / 'optuna.db'}", direction="maximize")
    study.optimize(
        lambda trial: record(uri, "noop", {"x": trial.suggest_float("x", 0.0, 1.0)}),
        n_trials=TRIALS,
        n_jobs=WORKERS,
    )
    assert len(study.trials) == TRIALS


if __name__ == "__main__":
    main(Path(sys.argv[1]))
