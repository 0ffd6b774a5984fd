"""``ablab grid`` and ``ablab logs`` as a user types them, on the smallest grid that trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from ablab.cli.main import cli
from ablab.orchestration.lock import study_lock
from ablab.paths import Paths
from ablab.tracking.memory import MemoryStore

EXPERIMENT = """
name: tiny
dataset: {kind: simulated, n_subjects: 2, minutes: 1.0, n_chans: 4, window_seconds: 2}
diagnostics: {preset: cheap, every_steps: 2}
model: {kind: conformer, d_model: 8, d_inner: 8, n_heads: 1, n_layers: 1, conv_kernel_size: 3}
training: {epochs: 1, batch_size: 4, evaluate_every: 1}
evaluation: {segment_seconds: 2}
"""
GRID = """
kind: grid
name: tinygrid
base: tiny.yaml
factors: {improvements.mlp_head: [false, true]}
seeds: [0, 1]
"""
CELLS = ["mlp_head=false", "mlp_head=true"]


def ablab(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "tiny.yaml").write_text(EXPERIMENT)
    (tmp_path / "grid.yaml").write_text(GRID)
    monkeypatch.chdir(tmp_path)
    return "grid.yaml"


def checked(result: Result, schema: str, root: Path) -> dict[str, Any]:
    value = json.loads(result.stdout)
    jsonschema.validate(value, json.loads((root / "docs" / "json" / f"{schema}.json").read_text()))
    assert isinstance(value, dict)
    return value


def test_plan_offline_prints_cells_and_seeds_and_writes_nothing(file: str, paths: Paths, root: Path) -> None:
    result = ablab("grid", "plan", file, "--offline")
    assert result.stdout.splitlines() == [
        "tinygrid: mlp_head(2) = 2 cells x 2 seeds = 4 trials",
        "  mlp_head=false",
        "  mlp_head=true",
        "seeds   0, 1",
        "next    ablab grid run grid.yaml",
    ]
    plan = checked(ablab("grid", "plan", file, "--offline", "--json"), "grid_plan", root)
    assert [cell["cell"] for cell in plan["cells"]] == CELLS
    assert plan["trials"][1] == {"key": None, "cell": CELLS[0], "seed": 1, "state": None}
    assert not paths.root.exists()


def test_a_grid_from_plan_to_logs(file: str, paths: Paths, root: Path) -> None:
    before = checked(ablab("grid", "plan", file, "--json"), "grid_plan", root)
    assert {trial["state"] for trial in before["trials"]} == {"missing"}
    assert before["seconds_estimate"] is None

    run = ablab("grid", "run", file, "--launcher", "inline", "--json")
    assert run.exit_code == 0
    result = checked(run, "grid_run", root)
    assert (result["study"], result["trials"], result["completed"]) == ("tinygrid", 4, 4)
    assert "done     linear · s0  val r" in run.stderr
    assert "4 completed, 0 failed, 0 skipped, " in run.stderr
    assert "next  ablab compare tinygrid;  ablab report tinygrid;  ablab ui" in run.stderr

    again = ablab("grid", "run", file)
    assert again.exit_code == 0
    assert again.stdout.startswith("0 completed, 0 failed, 4 skipped, ")

    after = checked(ablab("grid", "plan", file, "--json"), "grid_plan", root)
    assert [trial["key"] for trial in after["trials"]] == [trial["key"] for trial in before["trials"]]
    assert {trial["state"] for trial in after["trials"]} == {"done"}

    shown = ablab("grid", "plan", file).stdout.splitlines()
    assert shown[1].startswith(
        "data    simulated (made up)   2 subjects, 2 recordings, 2 min   segments leaked: none"
    )
    assert shown[2] == "state   done 4   stale 0   missing 0    -> to run 0"
    assert shown[3] == "cost    nothing to run"
    needed = "(3 seeds and 2 subjects are the fewest)"
    assert shown[4] == f"power   2 seeds, 2 subjects: no test is possible {needed}"
    more = ("--set", "grid.seeds=[0, 1, 2]", "--study", "tinygrid")
    shown = ablab("grid", "plan", file, *more).stdout.splitlines()
    (power,) = (line for line in shown if line.startswith("power "))
    assert power.startswith("power   3 seeds detect ")
    assert "(variances of the finished runs); SESOI 0.010: " in power

    status = checked(ablab("grid", "status", "tinygrid", "--json"), "grid_status", root)
    assert (status["finished"], status["orchestrator"]) == (4, None)
    assert ablab("grid", "status", "tinygrid").stdout.splitlines() == [
        "tinygrid: 4 finished   nobody runs it now",
        "  mlp_head=false  2 finished",
        "  mlp_head=true   2 finished",
    ]

    key = after["trials"][3]["key"]
    logs = ablab("logs", key[:8])
    assert "validation r" in logs.stdout
    assert "mlp_head=true seed 1: finished" in logs.stderr

    compared = json.loads(ablab("compare", "tinygrid", "--json").stdout)
    assert {row["cell"] for row in compared["rows"]} == set(CELLS)
    assert compared["floor"] is not None
    assert compared["treatment"] == "mlp_head=true"


@pytest.mark.usefixtures("tables")
def test_a_failed_trial_ends_in_exit_code_1_and_its_logs_hold_the_traceback(
    file: str, paths: Paths, root: Path
) -> None:
    run = ablab(
        "grid", "run", file, "--launcher", "inline", "--json", "--set", "training.learning_rate=1e30",
        "--set", "training.epochs=3", "--set", "diagnostics.preset=off", "--study", "hot", "--fail-fast",
    )  # fmt: skip
    assert run.exit_code == 1
    result = checked(run, "grid_run", root)
    assert (result["study"], result["failed"], result["not_started"]) == ("hot", 1, 3)
    key = result["failures"][0]["key"]
    assert f"see: ablab logs {key[:6]}" in run.stderr
    assert "(exit 1)" in run.stderr
    logs = ablab("logs", key[:6])
    assert "NonFiniteLossError" in logs.stdout
    assert "failed" in ablab("grid", "status", "hot").stdout


@pytest.mark.usefixtures("tables")
def test_a_pilot_measures_for_the_plan_and_stays_out_of_the_comparison(
    file: str, paths: Paths, root: Path
) -> None:
    run = ablab("grid", "pilot", file, "--epochs", "50", "--launcher", "inline", "--json")
    pilot = checked(run, "grid_pilot", root)
    assert run.exit_code == (0 if pilot["go"] else 1)
    assert (pilot["trials"], pilot["completed"], pilot["epochs"]) == (4, 4, 1)
    assert (pilot["reference"], pilot["treatment"]) == tuple(CELLS)
    assert pilot["go"] == (not pilot["reasons"])
    shown = ablab("grid", "plan", file).stdout
    assert "cost    pilot " in shown
    more = ("--set", "grid.seeds=[0, 1, 2]", "--study", "tinygrid")
    assert "(pilot variances)" in ablab("grid", "plan", file, *more).stdout
    assert "missing 4    -> to run 4" in shown
    compared = ablab("compare", "tinygrid")
    assert compared.exit_code == 2
    assert "error: " in compared.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("run", "grid.yaml", "--workers", "0"), "'0' is neither 'auto' nor a whole number above 0"),
        (
            ("run", "grid.yaml", "--launcher", "inline", "--workers", "2"),
            "error: --workers 2: the inline launcher",
        ),
        (("run", "grid.yaml", "--study", "../x"), "--study: '../x' is no plain name"),
        (("run", "grid.yaml", "--launcher", "slrum"), "no launcher 'slrum' (did you mean 'slurm'?)"),
        (
            ("run", "grid.yaml", "--launcher", "inline", "--force", "mlp_head=ture"),
            "did you mean 'mlp_head=true'?",
        ),
        (("status", "tinygird"), "tinygird: no such study"),
        (("plan", "grd.yaml"), "grd.yaml"),
    ],
)
def test_wrong_input_ends_in_exit_code_2(
    file: str, paths: Paths, arguments: tuple[str, ...], text: str
) -> None:
    result = ablab("grid", *arguments)
    assert result.exit_code == 2
    assert text in result.stderr
    assert "Traceback" not in result.stderr


def test_a_second_orchestrator_is_refused_and_told_of_the_first(file: str, paths: Paths) -> None:
    with study_lock("tinygrid", paths, MemoryStore()):
        result = ablab("grid", "run", file, "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: study 'tinygrid' is being run by process {os.getpid()} on ")


def test_logs_of_an_unknown_run(file: str, paths: Paths) -> None:
    result = ablab("logs", "3f9c21")
    assert result.exit_code == 2
    assert "3f9c21: no such run" in result.stderr


HEAVY = ("torch", "mlflow", "optuna", "pandas", "scipy", "numpy", "matplotlib")


def _imported(arguments: list[str]) -> set[str]:
    code = (
        "import sys\n"
        "from ablab.cli.main import cli\n"
        f"cli.main({arguments!r}, standalone_mode=False)\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_an_offline_plan_imports_nothing_heavy(file: str, paths: Paths) -> None:
    assert _imported(["grid", "plan", file, "--offline"]) == set()


def test_a_plan_imports_neither_torch_nor_mlflow_nor_optuna(file: str, paths: Paths) -> None:
    assert _imported(["grid", "plan", file]).isdisjoint({"torch", "mlflow", "optuna"})
