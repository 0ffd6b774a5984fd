"""What one trial does, in every row of the table: torch is there, 5 metrics x 20 steps go to MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TRIALS, WORKERS, METRICS, STEPS = 64, 2, 5, 20
OBJECTIVE = "validation/pearson"
NAMES = (OBJECTIVE, "train/loss", "gradient/norm", "learning_rate", "throughput")


def values(x: float, step: int) -> dict[str, float]:
    """The metrics at a step, for a trial with parameter ``x``."""
    return {name: x + 0.01 * step + order for order, name in enumerate(NAMES)}


def record(tracking_uri: str, experiment: str, params: Mapping[str, Any]) -> float:
    """One MLflow run written as thriftily as its client can: one batch of params and metrics."""
    import torch  # noqa: F401 - a trial has it loaded; what that costs is each row's own affair
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    run = client.create_run(found.experiment_id).info.run_id
    points = [
        Metric(name, value, 0, step)
        for step in range(STEPS)
        for name, value in values(params["x"], step).items()
    ]
    client.log_batch(run, points, [Param(key, str(value)) for key, value in params.items()])
    client.set_terminated(run)
    return values(params["x"], STEPS - 1)[OBJECTIVE]


def prepare(tracking_uri: str, experiment: str) -> None:
    """Make the experiment, and with it the tables."""
    from mlflow import MlflowClient

    MlflowClient(tracking_uri).create_experiment(experiment)
