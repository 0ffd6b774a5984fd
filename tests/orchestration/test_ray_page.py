"""The commands of docs/launchers.md for a cluster, as they stand there: other hosts, ports and folders."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import mlflow
import psutil
import pytest
import tiny
from ray_cluster import QUIET
from tests.docs.pages import documented
from tests.mlflow_server import free_port
from tests.processes import still_running

from ablab.paths import Paths

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_grid_is_trained_on_the_cluster_and_the_server_of_the_page(tmp_path: Path, paths: Paths) -> None:
    head, server = str(free_port()), str(free_port())
    serve = documented("mlflow server").replace("0.0.0.0", "127.0.0.1").replace("HEAD", "127.0.0.1")
    serve = serve.replace("5000", server).replace("/srv/mlflow", str(tmp_path))
    grid = documented("ablab grid run ablations/v2_improvements.yaml --launcher ray")
    grid = grid.replace("ablations/v2_improvements.yaml", str(tiny.write(tmp_path)))
    variables = tiny.environment(paths) | QUIET | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    variables["PATH"] = f"{Path(sys.executable).parent}:{variables['PATH']}"
    address = f"http://127.0.0.1:{server}"
    with tempfile.TemporaryDirectory(prefix="ray") as sockets:  # their paths have to be short
        # In the foreground, so that the test can end what it has started, and small.
        start = f"{documented('ray start --head')} --block --port {head} --temp-dir {sockets}"
        start += " --node-ip-address 127.0.0.1 --num-cpus 1 --include-dashboard false"
        start += f" --object-store-memory {80 * 2**20}"
        with (
            running(start, tmp_path, variables, says="Ray runtime started"),
            running(serve, tmp_path, variables, says="startup complete"),
        ):
            done = subprocess.run(
                grid.split(),
                # The variable names this cluster, where another test may have its own.
                env=variables | {"RAY_ADDRESS": f"127.0.0.1:{head}", "MLFLOW_TRACKING_URI": address},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            client = mlflow.MlflowClient(address)
            study = client.get_experiment_by_name("tinygrid")
            runs = client.search_runs([study.experiment_id], "tags.role = 'seed'")
            assert [run.info.status for run in runs] == ["FINISHED"] * 2
            assert all(client.list_artifacts(run.info.run_id) for run in runs)


@contextmanager
def running(command: str, folder: Path, variables: Mapping[str, str], *, says: str) -> Iterator[None]:
    """A command that runs until it is ended, from when it says that it serves."""
    log = folder / f"{command.partition(' ')[0]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command.split(), env=variables, cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 200
        while says not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield
    finally:
        if process.poll() is None:
            started = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            process.wait(timeout=60)
            for left in still_running(started, timeout=10):
                left.kill()
