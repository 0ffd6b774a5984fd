"""``ablab search`` as a user types it, on the smallest search that trains, read back from everywhere."""

from __future__ import annotations

import json
import threading
import urllib.request
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import jsonschema
import optuna
import pytest
from click.testing import CliRunner, Result

from ablab.cli.main import cli
from ablab.orchestration.declared import studies_folder
from ablab.orchestration.study_comparison import compare_study
from ablab.paths import Paths
from ablab.tracking.open import open_store

BASE = """
name: tiny
dataset: {kind: simulated, n_subjects: 2, minutes: 1.0, n_chans: 4, window_seconds: 2}
model: {kind: conformer, d_model: 8, d_inner: 8, n_heads: 1, n_layers: 1, conv_kernel_size: 3}
training: {epochs: 2, batch_size: 4, evaluate_every: 1, learning_rate: 1.0e-3}
evaluation: {segment_seconds: 2}
diagnostics: {preset: cheap, every_steps: 100}
"""
SEARCH = """
kind: search
name: tinysearch
base: tiny.yaml
space:
  improvements.gradient_scale: {low: 1.0, high: 4.0}
  training.learning_rate: {low: 1.0e-3, high: 1.0e-1, log: true}
sampler: {kind: tpe, startup_trials: 2}
trials: 3
seeds_per_trial: 1
confirm: {seeds: 2}
"""


def ablab(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "tiny.yaml").write_text(BASE)
    (tmp_path / "search.yaml").write_text(SEARCH)
    monkeypatch.chdir(tmp_path)
    return "search.yaml"


def checked(result: Result, schema: str, root: Path) -> dict[str, Any]:
    value = json.loads(result.stdout)
    jsonschema.validate(value, json.loads((root / "docs" / "json" / f"{schema}.json").read_text()))
    assert isinstance(value, dict)
    return value


@pytest.mark.slow
def test_a_search_from_its_first_point_to_the_confirmed_winner(file: str, paths: Paths, root: Path) -> None:
    done = ablab("search", "run", file, "--launcher", "inline", "--json")
    assert done.exit_code == 0, done.output
    told = checked(done, "search_run", root)
    assert [point["state"] for point in told["points"]] == ["complete"] * 3
    assert told["points"][0]["is_base"]
    assert told["runs"]["completed"] == 3
    values = [point["value"] for point in told["points"]]
    assert told["winner"] == values.index(max(values))

    store = open_store(paths)
    runs = store.records("tinysearch", "search")
    assert {run.role for run in runs} == {"search"}
    assert {run.seed for run in runs} == {0}
    assert [run.metrics["validation/pearson"] for run in runs] == pytest.approx(values)
    assert store.records("tinysearch") == ()  # no comparison can read them

    confirmed = told["confirmation"]
    assert confirmed is not None, "with these seeds a point beats the base"
    assert told["confirmation_runs"]["completed"] == 4
    fresh = store.records("tinysearch-confirm")
    assert {(run.cell, run.seed) for run in fresh} == {
        (cell, seed) for cell in ("base", "winner") for seed in (1, 2)
    }
    winners = [run.metrics["validation/pearson"] for run in fresh if run.cell == "winner"]
    assert confirmed["confirmed"] == pytest.approx(sum(winners) / 2)
    assert confirmed["optimism"] == pytest.approx(max(values) - sum(winners) / 2)
    compared = compare_study("tinysearch-confirm", paths=paths, store=store)
    assert compared.primary is not None and compared.primary.cell == "winner"
    assert confirmed["comparison"]["treatment"] == "winner"

    again = ablab("search", "run", file, "--launcher", "inline", "--json")
    told_again = checked(again, "search_run", root)
    assert told_again["runs"]["completed"] == told_again["confirmation_runs"]["completed"] == 0
    assert told_again["points"] == told["points"]

    shown = ablab("search", "show", "tinysearch", "--out", "plots")
    assert shown.exit_code == 0
    assert f"winner      p{told['winner']}:" in shown.stdout
    assert "optimism    validation/pearson" in shown.stdout
    assert {plot.name for plot in Path("plots").iterdir()} == {"history.png", "slice.png"}
    assert all(plot.read_bytes().startswith(b"\x89PNG") for plot in Path("plots").iterdir())
    kept = list(paths.artifacts.rglob("search/*.png"))
    assert {plot.name for plot in kept} == {"history.png", "slice.png"}
    shown_json = checked(ablab("search", "show", "tinysearch", "--json"), "search_show", root)
    assert shown_json["confirmation"] == told["confirmation"]

    assert study_in_dashboard(paths) == {
        "params": [point["levels"] for point in told["points"]],
        "values": values,
    }


def study_in_dashboard(paths: Paths) -> dict[str, Any]:
    """What the pages of optuna-dashboard read of the search, from its server on loopback."""
    dashboard = pytest.importorskip("optuna_dashboard")

    class Silent(WSGIRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            pass

    app = dashboard.wsgi(optuna.storages.RDBStorage(f"sqlite:///{paths.optuna_db}"))
    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}/api/studies"
            with urllib.request.urlopen(address, timeout=60) as answer:
                studies = json.load(answer)["study_summaries"]
            (found,) = [
                each
                for each in studies
                if each["study_name"].startswith("tinysearch-") and "confirm" not in each["study_name"]
            ]
            with urllib.request.urlopen(f"{address}/{found['study_id']}", timeout=60) as answer:
                trials = json.load(answer)["trials"]
        finally:
            server.shutdown()
            thread.join()
    return {
        "params": [
            {each["name"]: float(each["param_external_value"]) for each in trial["params"]}
            for trial in trials
        ],
        "values": [trial["values"][0] for trial in trials],
    }


@pytest.mark.usefixtures("tables")
def test_pruned_runs_are_killed_with_the_reason_and_count_as_no_failure(
    file: str, paths: Paths, root: Path
) -> None:
    pruning = ["--set", "search.pruner={kind: median, startup_trials: 2}", "--set", "search.confirm=null"]
    more = ["--set", "search.trials=6", "--set", "training.epochs=12", "--study", "pruning"]
    done = ablab("search", "run", file, "--workers", "1", "--json", *pruning, *more)
    assert done.exit_code == 0, done.output
    told = checked(done, "search_run", root)
    pruned = [point for point in told["points"] if point["state"] == "pruned"]
    assert pruned, "with these seeds the median ends at least one point"
    assert told["runs"]["failed"] == told["runs"]["killed"] == 0
    # A run that is over before it hears of it is finished, and its point pruned all the same.
    n_ended = told["runs"]["pruned"]
    assert 0 < n_ended <= told["pruned"] == len(pruned)
    assert told["runs"]["trials"] == told["runs"]["completed"] + n_ended == 6
    assert f"{6 - n_ended} runs completed, 0 failed, {n_ended} pruned, " in done.stderr
    assert told["confirmation"] is None
    states = open_store(paths).states("pruning")
    assert sorted(state.status for state in states) == sorted(
        ["finished"] * (6 - n_ended) + ["killed"] * n_ended
    )
    ended = optuna.load_study(
        study_name=optuna.get_all_study_names(f"sqlite:///{paths.optuna_db}")[0],
        storage=f"sqlite:///{paths.optuna_db}",
    ).trials
    assert [trial.state.name for trial in ended].count("PRUNED") == len(pruned)
    again = checked(
        ablab("search", "run", file, "--workers", "1", "--json", *pruning, *more), "search_run", root
    )
    assert again["runs"]["trials"] == again["runs"]["pruned"] == 0
    assert again["pruned"] == len(pruned)


@pytest.mark.usefixtures("tables")
def test_points_of_other_code_are_not_mixed_without_a_word(
    file: str, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = ["--launcher", "inline", "--set", "search.trials=1", "--study", "s"]
    assert ablab("search", "run", file, *short).exit_code == 0
    monkeypatch.setattr("ablab.orchestration.search.run_fingerprint", lambda experiment, code: "another")
    stopped = ablab("search", "run", file, *short)
    assert stopped.exit_code == 2
    assert "its points were trained by other code" in stopped.stderr
    assert "--stale rerun   begin the search anew with the code as it is now" in stopped.stderr
    assert "1 complete" in ablab("search", "run", file, *short, "--stale", "keep").stdout


REFUSED = ("--launcher", "inline", "--workers", "2")


def test_a_launcher_that_refuses_leaves_nothing_of_the_search(file: str, paths: Paths) -> None:
    refused = ablab("search", "run", file, *REFUSED)
    assert refused.exit_code == 2
    assert "error: --workers 2: the inline launcher" in refused.stderr
    assert not studies_folder(paths).exists()
    assert not paths.optuna_db.exists()


def test_a_launcher_that_refuses_leaves_an_earlier_search_as_it_was(
    file: str, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ("search", "run", file, "--set", "search.confirm=null", "--study", "s")
    assert ablab(*run, "--launcher", "inline", "--set", "search.trials=1").exit_code == 0
    (declared,) = studies_folder(paths).iterdir()
    before = declared.read_text()
    monkeypatch.setattr("ablab.orchestration.search.run_fingerprint", lambda experiment, code: "another")
    assert ablab(*run, *REFUSED, "--stale", "rerun", "--set", "search.trials=2").exit_code == 2
    assert declared.read_text() == before
    assert "1 points: 1 complete" in ablab("search", "show", "s").stdout


def test_a_search_that_is_interrupted_before_its_launcher_is_there_has_nothing_to_report(
    file: str, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ablab.orchestration.inline_launcher.make", interrupted)
    result = ablab("search", "run", file, "--launcher", "inline")
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.endswith("interrupted\n")


def test_a_search_that_was_never_run_is_named_with_the_nearest(paths: Paths) -> None:
    result = ablab("search", "show", "tinysearch")
    assert result.exit_code == 2
    assert "tinysearch: no search of this name was run in" in result.stderr


def test_a_test_metric_ends_in_exit_code_2_and_the_line(file: str, paths: Paths) -> None:
    Path(file).write_text(SEARCH + "objective: test/pearson\n")
    result = ablab("search", "run", file)
    assert result.exit_code == 2
    assert (
        "search.yaml:12: objective: test/pearson is a test metric, and the test set stays sealed"
        in result.stderr
    )
    assert not paths.root.exists()
