"""``python -m tests.tracking.mlflow.opening ROOT SEED``: a process that opens a store and finishes one run.

A process of its own and no fork: that of a test with threads may inherit a lock that nobody will open.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ablab.paths import Paths
from ablab.spec.experiment import Experiment, Improvements
from ablab.spec.trial import Cell, Trial
from ablab.tracking.mlflow.store import MlflowStore


def main(root: str, seed: int) -> None:
    paths = Paths(Path(root))
    experiment = Experiment(name="a", improvements=Improvements(residual="gated"))
    cell = Cell("residual=gated", "gated", {"improvements.residual": "gated"}, experiment)
    trial = Trial(f"{seed:032x}", "s", cell, seed, "d4ta")
    writer = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths).open_run(trial)
    writer.metrics(1, {"train/loss": 1.0})
    writer.finish({"test/pearson": 0.1}, ())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
