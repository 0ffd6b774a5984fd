from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from ablab.cli.main import cli
from ablab.paths import Paths

pytestmark = pytest.mark.usefixtures("tables")

SMALL = ("--set", "dataset.n_subjects=2", "--set", "dataset.minutes=1", "--set", "dataset.n_chans=4")


@pytest.fixture
def experiment(root: Path) -> Path:
    return root / "experiments" / "quickstart.yaml"


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_json_is_one_object_with_score_and_subjects(experiment: Path, paths: Paths, root: Path) -> None:
    done = _run("baseline", "run", experiment, *SMALL, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    schema = json.loads((root / "docs" / "json" / "baseline_run.json").read_text("utf-8"))
    jsonschema.validate(told, schema)
    assert set(told["per_subject"]) == {"sim-001", "sim-002"}
    assert told["test_pearson"] == pytest.approx(sum(told["per_subject"].values()) / 2)


def test_the_table_is_for_people_and_progress_goes_to_stderr(experiment: Path, paths: Paths) -> None:
    done = _run("baseline", "run", experiment, *SMALL)
    assert done.exit_code == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == ["subject", "sim-001", "sim-002", "mean", "chance:"]
    assert "ridge sim-001: test r" in done.stderr and "simulated listeners" in done.stderr
    again = _run("baseline", "run", experiment, *SMALL)
    assert again.stdout == done.stdout and "ridge sim-001" not in again.stderr


@pytest.mark.parametrize("scope", ["pooled", "leave_one_subject_out"])
def test_other_scopes_are_results_and_runs_of_their_own(
    scope: str, experiment: Path, paths: Paths, root: Path
) -> None:
    own = json.loads(_run("baseline", "run", experiment, *SMALL, "--json").stdout)
    told = json.loads(_run("baseline", "run", experiment, *SMALL, "--scope", scope, "--json").stdout)
    schema = json.loads((root / "docs" / "json" / "baseline_run.json").read_text("utf-8"))
    jsonschema.validate(told, schema)
    assert (told["scope"], own["scope"]) == (scope, "per_subject")
    assert told["per_subject"] != own["per_subject"] and told["run_id"] != own["run_id"]
    again = json.loads(_run("baseline", "run", experiment, *SMALL, "--scope", scope, "--json").stdout)
    assert again == told
    with sqlite3.connect(paths.mlflow_db) as connection:
        roles = connection.execute("SELECT value FROM tags WHERE key = 'role'").fetchall()
    assert roles == [("baseline",)] * 2


def test_a_wrong_folder_ends_in_exit_code_2(experiment: Path, tmp_path: Path, paths: Paths) -> None:
    done = _run(
        "baseline",
        "run",
        experiment,
        "--set",
        "dataset.kind=split_folder",
        "--set",
        f"dataset.path={tmp_path}/none",
    )
    assert done.exit_code == 2 and "there is no such folder" in done.stderr and done.stdout == ""


@pytest.mark.real_data
def test_real_eeg_from_the_command_line(experiment: Path, dtu_subset: Path, paths: Paths) -> None:
    done = _run(
        "baseline",
        "run",
        experiment,
        *("--set", "dataset.kind=split_folder", "--set", f"dataset.path={dtu_subset}"),
        *("--set", "dataset.subjects=[sub-001, sub-007]", "--json"),
    )
    told = json.loads(done.stdout)
    assert told["per_subject"] == pytest.approx({"sub-001": 0.196, "sub-007": 0.317}, abs=0.01)
