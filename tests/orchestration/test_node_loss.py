"""A grid on three simulated nodes against a real MLflow server, through the command line; a node is lost.

Placed by cores: a trial that is given a GPU, made up or not, trains on it or fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import mlflow
import psutil
import pytest
import ray
import tiny
from ray.cluster_utils import Cluster
from ray_cluster import cluster
from tests.mlflow_server import running_server

from ablab.paths import Paths

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]


def test_every_cell_is_finished_exactly_once_though_a_node_is_lost(tmp_path: Path, paths: Paths) -> None:
    grid = tiny.write(tmp_path, epochs=60, seeds=(0, 1))
    experiment = tmp_path / "tiny.yaml"
    experiment.write_text(experiment.read_text().replace("evaluate_every: 60", "evaluate_every: 2"))
    (tmp_path / "server").mkdir()
    with grid.open("a") as file:
        file.write("resources: {gpus_per_trial: 0}\n")
    with running_server(tmp_path / "server") as address, cluster((0, 0), (1, 0), (2, 0)) as nodes:
        command = ["grid", "run", str(grid), "--launcher", "ray", "--json"]
        command += ["--launcher-option", f"address={nodes.address}", "--launcher-option", "working_dir=."]
        environment = tiny.environment(paths) | {"MLFLOW_TRACKING_URI": address}
        with subprocess.Popen(
            [*tiny.ABLAB, *command], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
        ) as orchestrator:
            ray.init(address=nodes.address, log_to_driver=False)
            # The smaller node has room for one trial: of two, one at least is on the larger.
            # A third might never be: a node can take longer to start than the whole grid takes.
            before = _when_training(address, 2, orchestrator)
            nodes.remove_node(_largest(nodes), allow_graceful=False)
            out, _ = orchestrator.communicate(timeout=480)
        ray.shutdown()
        result = json.loads(out)
        assert orchestrator.returncode == 0, result
        assert (result["trials"], result["completed"], result["failed"]) == (4, 4, 0)
        runs = _runs(address)
    assert len(runs) == len(_keys(runs)) == 4
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.data.tags["role"] for run in runs} == {"seed"}
    again = [run for run in runs if run.data.tags["attempt"] != "1"]
    assert 1 <= len(again) <= 2
    assert _keys(again) & before
    assert _trials_of(paths) == []


def _largest(nodes: Cluster) -> object:
    return max(nodes.worker_nodes, key=lambda node: node._ray_params.num_cpus)


def _keys(runs: list[mlflow.entities.Run]) -> set[str]:
    return {run.data.tags["key"] for run in runs}


def _runs(address: str) -> list[mlflow.entities.Run]:
    client = mlflow.MlflowClient(address)
    study = client.get_experiment_by_name("tinygrid")
    found = [] if study is None else client.search_runs([study.experiment_id])
    return [run for run in found if "key" in run.data.tags]  # and none of the cells' summaries


def _when_training(address: str, n: int, process: subprocess.Popen[str]) -> set[str]:
    """Keys of the runs that are being trained, as soon as there are that many at once."""
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        assert process.poll() is None
        training = [run for run in _runs(address) if run.info.status == "RUNNING"]
        if len(training) >= n:
            return _keys(training)
        time.sleep(0.5)
    raise AssertionError("no trial has begun to train")


def _trials_of(paths: Paths) -> list[int]:
    """Processes that still work under this test's state root."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ABLAB_HOME") == str(paths.root) and process.pid != os.getpid():
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
