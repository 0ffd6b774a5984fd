"""Every service of the compose file at work, by exactly the command, environment and check that stand there.

They share one folder laid out as in the container. The worker trains a grid; TensorBoard and
optuna-dashboard, up before it, show that grid; the scheduler guards one of its cells.
"""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from tests.docs.pages import documented
from tests.mlflow_server import free_port
from tests.orchestration import tiny
from tests.stack.compose import (
    ROOT,
    Service,
    grace_seconds,
    is_healthy,
    services,
)
from tests.stack.conftest import Stack
from tests.stack.postgres import Postgres
from tests.stack.test_server import ADMIN, SEARCH, ask

from ablab.orchestration import session
from ablab.paths import Paths
from ablab.regression import last_run, schedule

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # some ten interpreters with MLflow or PyTorch are started
]

GRID = """
kind: grid
name: of_the_worker
base: ../experiments/tiny.yaml
factors: {improvements.mlp_head: [false, true]}
seeds: [0, 1, 2]
"""

# Due every few seconds: a night is over soon, and another is at work when the service is stopped.
GATE = """
kind: regression
name: nightly
experiment: ../experiments/tiny.yaml
baseline: guarded
seeds: [0, 1, 2]
determinism: false
checks:
  - {metric: test/pearson, margin: 0.5}
schedule: {cron: "*/5 * * * * *"}
"""


@pytest.fixture(scope="module")
def host(stack: Stack) -> Stack:
    """The stack with what the image and the mounted folders hold, and two small studies more."""
    for name in ("experiments", "ablations"):
        shutil.copytree(ROOT / name, stack.folder / name)
    tiny_experiment = tiny.EXPERIMENT.format(epochs=1, evaluate_every=1)
    (stack.folder / "experiments" / "tiny.yaml").write_text(tiny_experiment)
    (stack.folder / "ablations" / "of_the_worker.yaml").write_text(GRID)
    (stack.folder / "ablations" / "nightly.yaml").write_text(GATE)
    return stack


@pytest.fixture(scope="module")
def mlflow(stack: Stack) -> Service:
    return stack.mlflow


@pytest.fixture(scope="module")
def tensorboard(host: Stack) -> Iterator[Service]:
    service = host.start("tensorboard")
    yield service
    service.stop()


@pytest.fixture(scope="module")
def optuna_dashboard(host: Stack) -> Iterator[Service]:
    service = host.start("optuna-dashboard")
    yield service
    service.stop()


@pytest.fixture(scope="module")
def worker(host: Stack, tensorboard: Service, optuna_dashboard: Service) -> Iterator[Service]:
    """What trained a grid and has ended."""
    service = host.start("worker", ABLAB_GRID="ablations/of_the_worker.yaml")
    try:
        service.process.wait(timeout=200)
        yield service
    finally:
        service.stop()


@pytest.fixture(scope="module")
def scheduler(host: Stack) -> Iterator[Service]:
    """By the command as it stands, without anything in .env."""
    service = host.start("scheduler")
    yield service
    service.stop()


@pytest.mark.parametrize("name", [name for name, service in services().items() if "command" in service])
def test_each_service_is_started_by_its_command_and_passes_its_check(
    name: str, request: pytest.FixtureRequest
) -> None:
    """A new service needs a fixture of its name here, and with it a test that sees it at work."""
    service = request.getfixturevalue(name.replace("-", "_"))
    assert isinstance(service, Service) and service.name == name
    if "healthcheck" in services()[name]:
        service.wait_until(service.is_healthy)


@pytest.mark.parametrize("name", [name for name, service in services().items() if "healthcheck" in service])
def test_a_check_fails_where_nothing_answers(name: str) -> None:
    elsewhere = None if name == "postgres" else free_port()
    assert not is_healthy(name, elsewhere, {"PGHOST": "/nowhere"})


def test_postgres_is_made_as_its_image_makes_it(postgres: Postgres) -> None:
    """The one service without a command: its image makes the server from what the test's is made from."""
    assert [name for name, service in services().items() if "command" not in service] == ["postgres"]
    declared = services()["postgres"]
    assert set(declared["environment"]) == {
        f"POSTGRES_{name}" for name in ("USER", "DB", "PASSWORD", "INITDB_ARGS")
    }
    assert "./deploy/databases.sql:/docker-entrypoint-initdb.d/databases.sql:ro" in declared["volumes"]
    databases = set(postgres.psql("postgres", "SELECT datname FROM pg_database").splitlines())
    assert {"mlflow", "mlflow_auth", "optuna"} <= databases
    assert postgres.psql("optuna", "SELECT current_user") == "ablab"
    assert postgres.psql("postgres", "SHOW data_checksums") == "on"
    methods = "SELECT DISTINCT auth_method FROM pg_hba_file_rules WHERE type = 'host'"
    assert postgres.psql("postgres", methods) == "scram-sha-256"
    assert is_healthy("postgres", None, postgres.variables)


def test_the_worker_trains_its_grid_into_postgres_and_onto_the_server(host: Stack, worker: Service) -> None:
    assert worker.process.returncode == 0, worker.said
    of_trials = (
        "FROM runs r JOIN experiments e USING (experiment_id) WHERE e.name = 'of_the_worker'"
        " AND EXISTS (SELECT 1 FROM tags t WHERE t.run_uuid = r.run_uuid AND t.key = 'seed')"
    )
    counted = host.postgres.psql("mlflow", f"SELECT status, count(*) {of_trials} GROUP BY status")
    assert counted == "FINISHED|6"
    runs = host.postgres.psql("mlflow", f"SELECT run_uuid {of_trials}").splitlines()
    for run in runs:
        status, text = ask(host, f"/api/2.0/mlflow/artifacts/list?run_id={run}", ADMIN)
        assert status == 200
        listed = {file["path"] for file in json.loads(text)["files"]}
        (kept,) = (host.folder / "artifacts").glob(f"**/{run}/artifacts")
        assert {"spec.yaml", "tensorboard"} <= listed == {entry.name for entry in kept.iterdir()}
    assert not (host.folder / "mlruns" / "artifacts").exists()
    assert not (host.folder / "mlruns" / "optuna.db").exists()


def test_a_grid_is_run_in_a_container_of_the_worker(host: Stack, worker: Service) -> None:
    name, *words = documented("docker compose --profile gpu run --rm").split()[6:]
    file = words.index("ablations/v2_improvements.yaml")
    words[file] = "ablations/of_the_worker.yaml"
    done = host.run(name, *words)
    assert (name, done.returncode) == ("worker", 0), done.stderr
    assert "0 completed, 0 failed, 6 skipped" in done.stdout + done.stderr


def test_the_tables_of_mlflow_are_upgraded_in_a_container_of_its_service(host: Stack) -> None:
    name, *words = documented("docker compose run --rm").split()[4:]
    done = host.run(name, *words)
    assert (name, done.returncode) == ("mlflow", 0), done.stderr
    assert ask(host, SEARCH, ADMIN)[0] == 200


def test_tensorboard_shows_what_the_worker_has_trained(tensorboard: Service, worker: Service) -> None:
    def trained() -> list[str]:
        return [run for run in _json(f"{tensorboard.address}/data/runs") if "of_the_worker" in run]

    tensorboard.wait_until(lambda: len(trained()) == 6, seconds=60)  # it looks every five seconds
    tags = _json(f"{tensorboard.address}/data/plugin/scalars/tags")
    assert all("Validation/pearson" in tags[run] for run in trained())


def test_optuna_dashboard_lists_the_workers_study(optuna_dashboard: Service, worker: Service) -> None:
    listed = _json(f"{optuna_dashboard.address}/api/studies")["study_summaries"]
    (study,) = (each for each in listed if each["study_name"].startswith("of_the_worker"))
    trials = _json(f"{optuna_dashboard.address}/api/studies/{study['study_id']}")["trials"]
    assert [trial["state"] for trial in trials] == ["Complete"] * 6


def test_the_scheduler_waits_for_its_night_and_ends_when_it_is_told_to(scheduler: Service) -> None:
    scheduler.wait_until(lambda: "next" in scheduler.said)
    assert re.search(r"regression_nightly: next \S+ 01:30:00\+0[12]:00 \(Europe/Berlin\)", scheduler.said)
    assert scheduler.stop() == 0, scheduler.said
    assert "stopped" in scheduler.said


def test_the_scheduler_gates_a_cell_of_the_worker_and_is_stopped_while_it_trains(
    host: Stack, worker: Service
) -> None:
    promote = ("ablab", "regression", "promote", "of_the_worker", "--cell", "mlp_head=false")
    promoted = host.run("scheduler", *promote, "--name", "guarded")
    assert promoted.returncode == 0, promoted.stderr

    def trials(status: str) -> int:
        of_gate = "FROM runs JOIN experiments e USING (experiment_id) WHERE e.name = 'nightly'"
        return int(host.postgres.psql("mlflow", f"SELECT count(*) {of_gate} AND status = '{status}'"))

    service = host.start("scheduler", ABLAB_REGRESSION="ablations/nightly.yaml")
    try:
        service.wait_until(lambda: "nightly: PASS" in service.said)
        assert trials("FINISHED") >= 3
        service.wait_until(lambda: trials("RUNNING") > 0)
    finally:
        code = service.stop()
    assert (code, service.left, trials("RUNNING")) == (0, [], 0), service.said
    assert service.said.splitlines()[-1].endswith("stopped")
    last = last_run.read("nightly", Paths(host.folder / "mlruns"))
    assert last is not None and last.ended is not None and last.outcome == "killed", last


def test_docker_waits_longer_than_a_service_takes_to_close_its_runs() -> None:
    assert grace_seconds("scheduler") > schedule._PATIENCE_SECONDS
    assert grace_seconds("worker") > session.GRACE_SECONDS


def _json(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return json.loads(answer.read())
