"""Ray Tune with OptunaSearch and its MLflow callback: an actor process per trial, one report per step."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"RAY_TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
os.environ["RAY_AUTH_MODE"] = "disabled"  # or Ray leaves a token in the home folder

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch

from benchmarks.noop.work import OBJECTIVE, STEPS, TRIALS, WORKERS, prepare, values


def noop(config: dict[str, Any]) -> None:
    """What takes the place of training."""
    import torch  # noqa: F401

    for step in range(STEPS):
        tune.report(values(config["x"], step))


def main(home: Path) -> None:
    """Run the trials."""
    uri = f"sqlite:///{home / 'mlflow.db'}"
    prepare(uri, "noop")
    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    search = ConcurrencyLimiter(OptunaSearch(metric=OBJECTIVE, mode="max"), max_concurrent=WORKERS)
    results = tune.Tuner(
        noop,
        param_space={"x": tune.uniform(0.0, 1.0)},
        tune_config=tune.TuneConfig(search_alg=search, num_samples=TRIALS),
        run_config=tune.RunConfig(
            storage_path=str(home / "ray"),
            callbacks=[MLflowLoggerCallback(tracking_uri=uri, experiment_name="noop")],
            verbose=0,
        ),
    ).fit()
    assert len(results) == TRIALS and not results.errors
    ray.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
