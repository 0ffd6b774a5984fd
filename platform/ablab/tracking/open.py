"""Which store is used: MLflow's SQLite file under the state root, or what ``MLFLOW_TRACKING_URI`` names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ablab.paths import Paths
from ablab.tracking.baselines import BaselineRegistry
from ablab.tracking.gates import GateLog
from ablab.tracking.store import RunStore

if TYPE_CHECKING:
    from ablab.tracking.mlflow.transfer import Transfer


def tracking_uri(paths: Paths) -> str:
    """``MLFLOW_TRACKING_URI``, or the SQLite file under the state root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{paths.mlflow_db.absolute()}"


def open_store(paths: Paths, *, patient: bool = False) -> RunStore:
    """The run store of this machine. Creates nothing: the first write does.

    A server that does not answer is a StoreError within seconds, unless ``patient``: then every call waits
    for it for minutes, as the middle of a grid should.
    """
    from ablab.tracking.mlflow.address import probe
    from ablab.tracking.mlflow.store import MlflowStore

    uri = tracking_uri(paths)
    if not patient:
        probe(uri)
    return MlflowStore(uri, paths)


def open_transfer(paths: Paths) -> Transfer:
    """Whole runs in and out of the same store; connects to it."""
    from ablab.tracking.mlflow.address import probe
    from ablab.tracking.mlflow.connection import Connection
    from ablab.tracking.mlflow.transfer import Transfer

    uri = tracking_uri(paths)
    probe(uri)
    return Transfer(Connection(uri, paths), paths)


def open_baselines(paths: Paths) -> BaselineRegistry:
    """The registry of baselines beside the run store."""
    from ablab.tracking.mlflow.address import probe
    from ablab.tracking.mlflow.baselines import MlflowBaselines

    uri = tracking_uri(paths)
    probe(uri)
    return MlflowBaselines(uri, paths)


def open_gates(paths: Paths) -> GateLog:
    """The log of gates in the run store."""
    from ablab.tracking.mlflow.address import probe
    from ablab.tracking.mlflow.gates import MlflowGates

    uri = tracking_uri(paths)
    probe(uri)
    return MlflowGates(uri, paths)
