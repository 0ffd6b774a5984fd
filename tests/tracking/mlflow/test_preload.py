"""What a forkserver imports is all that a worker needs."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import ablab.tracking.mlflow.preload
from ablab.paths import Paths
from ablab.spec.experiment import Experiment
from ablab.spec.trial import Cell, Trial
from ablab.tracking.mlflow.store import MlflowStore

before = set(sys.modules)
mlflow = sys.modules["mlflow"]
assert not mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore._engine_map  # nothing is open
paths = Paths.from_environment()
trial = Trial("ab" * 16, "s", Cell("c", "c", {}, Experiment(name="a")), 0, "d4ta")
MlflowStore(f"sqlite:///{paths.mlflow_db}", paths).open_run(trial).finish({}, ())
late = {name for name in set(sys.modules) - before if name.startswith(("mlflow.", "sqlalchemy.", "alembic."))}
# The migrations that make an empty database are of no use to later workers.
late = {name for name in late if not name.startswith("mlflow.store.db")}
assert not late, late
"""


def test_a_worker_imports_nothing_of_mlflow_itself(paths):
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=120)
