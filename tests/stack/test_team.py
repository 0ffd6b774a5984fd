"""A team at work on the stack: two people with accounts of their own, and PostgreSQL restarted in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.orchestration import tiny
from tests.stack.compose import environment
from tests.stack.conftest import Stack
from tests.stack.test_server import ADMIN, ask

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),  # some twenty interpreters with MLflow are started
]

OF_THE_GRID = (
    "runs JOIN (SELECT experiment_id FROM experiments WHERE name = 'tinygrid') e USING (experiment_id)"
)


class Person:
    """Someone with an account and a state root of their own; Optuna's studies lie in PostgreSQL for one."""

    def __init__(self, stack: Stack, name: str, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        password = f"{name}-password-of-the-test"
        status, text = ask(
            stack, "/api/2.0/mlflow/users/create", ADMIN, {"username": name, "password": password}
        )
        assert status == 200, text
        # What the scheduler and the worker are given, with an account and a state root of one's own.
        given = environment("scheduler", folder, stack.postgres.port, stack.address)
        if name != "bea":
            del given["ABLAB_OPTUNA_STORAGE"]
        self.variables = given | {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password}

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("ablab")), *map(str, arguments)],
            env=self.variables,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str | Path, exit_code: int = 0) -> dict[str, object]:
        """The command's one JSON object."""
        return self.ended(self.start(*arguments, "--json"), exit_code)

    def ended(self, process: subprocess.Popen[str], exit_code: int = 0) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.printed(process, exit_code))
        return found

    def printed(self, process: subprocess.Popen[str], exit_code: int = 0) -> str:
        try:
            out, err = process.communicate(timeout=400)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == exit_code, out + err
        return out


@pytest.fixture(scope="module")
def people(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> tuple[Person, Person]:
    folder = tmp_path_factory.mktemp("people")
    return Person(stack, "bea", folder / "bea"), Person(stack, "cem", folder / "cem")


def test_one_goes_on_where_the_other_stopped_across_a_restart_of_the_database(
    stack: Stack, people: tuple[Person, Person]
) -> None:
    bea, cem = people
    mine = tiny.write(bea.folder, epochs=4, seeds=(0, 1))
    process = bea.start("grid", "run", mine, "--workers", "1", "--json")
    _await_first_run(stack)
    tiny.write(cem.folder, epochs=4, seeds=(0, 1))
    with pytest.raises(AssertionError, match=f"study 'tinygrid' is being run by process {process.pid} on "):
        cem.run("grid", "run", cem.folder / "grid.yaml")  # a state root of its own, so no lease says so
    stack.postgres.stop()
    time.sleep(3)
    stack.postgres.start()
    first = bea.ended(process)
    assert (first["completed"], first["failed"], first["killed"]) == (4, 0, 0)
    assert _count(f"SELECT count(*) FROM {OF_THE_GRID} WHERE status <> 'FINISHED'", stack) == "0"
    # A final value may stand beside the last point of its curve, but no point is there twice.
    twice = "SELECT 1 FROM metrics GROUP BY run_uuid, key, step, value HAVING count(*) > 1"
    assert _count(f"SELECT count(*) FROM ({twice}) twice", stack) == "0"
    of_study = "FROM trials JOIN studies USING (study_id) WHERE study_name LIKE 'tinygrid%'"
    states = stack.postgres.psql("optuna", f"SELECT state, count(*) {of_study} GROUP BY state")
    assert states == "COMPLETE|4"

    theirs = tiny.write(cem.folder, epochs=4, seeds=(0, 1, 2))
    second = cem.run("grid", "run", theirs, "--workers", "1")
    assert (second["completed"], second["skipped"], second["failed"]) == (2, 4, 0)
    compared = cem.run("compare", "tinygrid")
    assert [row["n_seeds"] for row in compared["rows"]] == [3, 3]  # type: ignore[attr-defined]


def _await_first_run(stack: Stack) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        if _count(f"SELECT count(*) FROM {OF_THE_GRID}", stack) != "0":
            return
        time.sleep(0.2)
    raise AssertionError("no run began")


def _count(query: str, stack: Stack) -> str:
    return stack.postgres.psql("mlflow", query)


def _finished(study: str, stack: Stack) -> int:
    """Finished runs of trials, whatever else the study keeps."""
    of_study = f"JOIN experiments e USING (experiment_id) WHERE e.name = '{study}' AND r.status = 'FINISHED'"
    of_trials = "AND EXISTS (SELECT 1 FROM tags t WHERE t.run_uuid = r.run_uuid AND t.key = 'seed')"
    return int(_count(f"SELECT count(*) FROM runs r {of_study} {of_trials}", stack))


# The base, at 1e-4, is outside the space: whichever point wins, there is one to confirm.
SEARCH = """
kind: search
name: tinysearch
base: tiny.yaml
space: {training.learning_rate: {low: 1.0e-3, high: 1.0e-2, log: true}}
objective: validation/pearson
sampler: {kind: tpe, seed: 0}
trials: 2
seeds_per_trial: 1
confirm: {seeds: 3}
"""


def test_a_search_is_confirmed_on_the_stack(stack: Stack, people: tuple[Person, Person]) -> None:
    bea, _ = people
    tiny.write(bea.folder, epochs=1)
    file = bea.folder / "search.yaml"
    file.write_text(SEARCH)
    found = bea.run("search", "run", file, "--workers", "1")
    assert found["study"] == "tinysearch"
    names = stack.postgres.psql("optuna", "SELECT study_name FROM studies ORDER BY study_name").splitlines()
    assert any(name.startswith("tinysearch-") for name in names)
    assert _finished("tinysearch", stack) == 2
    assert _finished("tinysearch-confirm", stack) >= 6


GATE = """
kind: regression
name: tinygate
experiment: tiny.yaml
baseline: tinybase
seeds: [0, 1, 2]
checks:
  - {metric: test/pearson, margin: 0.5}
"""


def test_a_gate_passes_against_a_baseline_of_the_stack(stack: Stack, people: tuple[Person, Person]) -> None:
    bea, cem = people
    file = tiny.write(cem.folder, epochs=4, seeds=(0, 1, 2))
    cem.run("grid", "run", file, "--workers", "1")
    promote = ("regression", "promote", "tinygrid", "--cell", "mlp_head=false", "--name", "tinybase")
    cem.printed(cem.start(*promote))
    tiny.write(bea.folder, epochs=4)
    gate = bea.folder / "gate.yaml"
    gate.write_text(GATE)
    found = bea.run("regression", "run", gate, "--workers", "1")  # someone else's baseline, by the server
    assert found["verdict"] == "PASS"
    versions = "SELECT count(*) FROM model_versions WHERE name = 'tinybase'"
    assert _count(versions, stack) == "1"
