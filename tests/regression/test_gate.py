"""The gate as a user types it: unchanged code, planted defects, too few seeds, wrong input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
from click.testing import Result

import ablab
from ablab.models.decoder import Decoder
from ablab.models.front_end import SubjectEmbedding
from ablab.paths import Paths
from ablab.tracking.open import open_baselines, open_gates, open_store
from ablab.training import run as training_run

Ablab = Callable[..., Result]
PACKAGE = Path(ablab.__file__).parent
QUICK = ("--launcher", "inline", "--set", "regression.determinism=false")

COMMAND = (sys.executable, "-c", "from ablab.cli.main import main; main()")
ONE = ("--set", "regression.seeds=[0]")


def checked(text: str, schema: str, root: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text)
    jsonschema.validate(value, json.loads((root / "docs" / "json" / f"{schema}.json").read_text()))
    return value


def findings(result: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["verdict"] for check in result["checks"]}


def reason(result: dict[str, Any], name: str) -> str:
    return next(str(check["reason"]) for check in result["checks"] if check["name"] == name)


def paths_of(lab: Path) -> Paths:
    return Paths(lab / "mlruns")


def test_unchanged_code_passes_at_once_as_bit_identical(lab: Path, ablab: Ablab, root: Path) -> None:
    run = ablab(
        "regression", "run", "gate.yaml", "--launcher", "inline", "--json",
        "--summary", "gate.md", "--junit", "gate.xml",
    )  # fmt: skip
    result = checked(run.stdout, "regression_run", root)
    assert run.exit_code == 0
    assert (result["verdict"], result["identical"], result["delta"], result["ci"]) == (
        "PASS",
        True,
        0,
        [0, 0],
    )
    assert (result["margin"], result["seeds"], result["subjects"]) == (0.1, 3, 4)
    assert set(findings(result).values()) == {"PASS"}
    assert {"data", "determinism", "learning curve", "weights/drift/subject"} <= set(findings(result))
    assert "bit-identical" in Path("gate.md").read_text()
    suite = ElementTree.parse("gate.xml").getroot()
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    assert len(suite.findall("testcase")) == len(result["checks"]) == int(suite.get("tests", 0))

    (gate,) = [
        each for each in open_gates(paths_of(lab)).gates("tinygate") if each.run_id == result["run_id"]
    ]
    assert gate.status == "finished"
    assert (gate.tags["role"], gate.tags["verdict"], gate.tags["baseline"]) == ("gate", "PASS", "tiny")
    assert gate.metrics["gate/delta"] == 0
    kept = open_store(paths_of(lab)).artifact(gate.run_id, "gate.json").read_text()
    assert json.loads(kept)["gate"] == result["gate"]


def test_every_gate_trains_afresh(lab: Path, ablab: Ablab) -> None:
    store = open_store(paths_of(lab))
    runs = [
        json.loads(
            ablab("regression", "run", "gate.yaml", *QUICK, "--set", "regression.seeds=[0]", "--json").stdout
        )
        for _ in range(2)
    ]
    assert runs[0]["study"] == runs[1]["study"]
    assert not set(runs[0]["runs"]) & set(runs[1]["runs"])
    states = store.states(runs[0]["study"])
    assert {state.run_id for state in states} == {*runs[0]["runs"], *runs[1]["runs"]}
    assert {(state.role, state.status) for state in states} == {("candidate", "finished")}


def test_too_few_seeds_are_inconclusive_even_with_the_same_bits(lab: Path, ablab: Ablab) -> None:
    run = ablab("regression", "run", "gate.yaml", *QUICK, "--set", "regression.seeds=[0, 1]", "--json")
    result = json.loads(run.stdout)
    assert run.exit_code == 3
    assert (result["verdict"], result["identical"]) == ("INCONCLUSIVE", True)
    assert "fewer than 3 seeds" in reason(result, "test/pearson")
    assert {name for name, found in findings(result).items() if found != "PASS"} == {"test/pearson"}


def test_an_inconclusive_look_adds_seeds_of_the_baseline(lab: Path, ablab: Ablab) -> None:
    added = (
        "--set",
        "regression.seeds=[2, 0]",
        "--set",
        "regression.max_seeds=9",
        "--set",
        "regression.looks=2",
    )
    run = ablab("regression", "run", "gate.yaml", *QUICK, *added, "--json")
    result = json.loads(run.stdout)
    assert run.exit_code == 0
    assert (result["verdict"], result["look"], result["looks"], result["seeds"]) == ("PASS", 2, 2, 3)
    assert result["alpha"] == 0.025
    assert "max_seeds is 9, but baseline tiny version 1 has 3 seeds" in run.stderr
    assert "look 1 of 2 is inconclusive: adding seeds" in run.stderr


def test_a_learning_rate_of_nothing_fails_and_runs_the_hook(lab: Path, ablab: Ablab) -> None:
    hook = lab / "hook.sh"
    hook.write_text(
        '#!/bin/sh\ncat > verdict.json\necho "$ABLAB_VERDICT $ABLAB_BASELINE $1" > environment\nexit 7\n'
    )
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    command = f'regression.on_fail=["{hook}", "a b; rm -rf x"]'
    run = ablab(
        "regression", "run", "gate.yaml", *QUICK, "--set", "training.learning_rate=1e-9", "--set", command
    )
    assert run.exit_code == 1
    assert run.stdout.startswith("FAIL: tinygate@")
    assert "fell by more than the margin" in run.stdout
    assert "the spec differs from the baseline's: training.learning_rate is 1e-09, was 0.03" in run.stdout
    told = json.loads((lab / "verdict.json").read_text())
    assert told["verdict"] == "FAIL"
    failed = {name for name, found in findings(told).items() if found == "FAIL"}
    assert {"test/pearson", "learning curve", "weights/drift/layer_stack.0", "weights/drift/head"} <= failed
    assert (lab / "environment").read_text() == "FAIL tiny a b; rm -rf x\n"
    assert "hook.sh: failed with exit code 7" in run.stdout.replace("\n", " ")


def test_labels_shifted_in_the_data_fail_as_changed_data_and_as_lost_score(
    lab: Path, ablab: Ablab, tmp_path: Path
) -> None:
    shutil.copytree(lab / "data", tmp_path / "data")
    for file in (tmp_path / "data").glob("train_*_envelope.npy"):
        np.save(file, np.roll(np.load(file), 13, axis=0))  # 13 samples at 64 Hz: 203 ms
    run = ablab(
        "regression", "run", "gate.yaml", *QUICK, "--set", f"dataset.path={tmp_path / 'data'}", "--json"
    )
    result = json.loads(run.stdout)
    assert (run.exit_code, result["verdict"]) == (1, "FAIL")
    assert "the data are not those of the baseline" in reason(result, "data")
    assert findings(result)["test/pearson"] == "FAIL"


@pytest.mark.slow
def test_labels_shifted_by_the_code_fail_as_lost_score(lab: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(PACKAGE, site / "ablab", ignore=shutil.ignore_patterns("__pycache__"))
    source = site / "ablab" / "training" / "batches.py"
    text, before = source.read_text(), "Batch(*take(part), subject[part])"
    assert text.count(before) == 1, "batches.py no longer holds the line that the defect is planted in"
    defect = "Batch(take(part)[0], take(part)[1].roll(13, dims=1), subject[part])"
    source.write_text(text.replace(before, defect))
    run = subprocess.run(
        [*COMMAND, "regression", "run", "gate.yaml", *QUICK, "--json"],
        cwd=lab, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1, run.stderr
    result = json.loads(run.stdout)
    assert findings(result)["data"] == "PASS"
    assert (findings(result)["test/pearson"], findings(result)["learning curve"]) == ("FAIL", "FAIL")
    assert result["code_fingerprint"] != result["baseline_code_fingerprint"]
    assert any("changed since the baseline: code " in note for note in result["notes"])


def test_a_zeroed_subject_embedding_fails_as_lost_score_and_as_a_part_that_does_not_learn(
    lab: Path, ablab: Ablab, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = SubjectEmbedding.forward
    monkeypatch.setattr(SubjectEmbedding, "forward", lambda self, subject: 0.0 * forward(self, subject))
    run = ablab("regression", "run", "gate.yaml", *QUICK, "--json")
    result = json.loads(run.stdout)
    assert (run.exit_code, result["verdict"]) == (1, "FAIL")
    assert findings(result)["test/pearson"] == "FAIL"
    assert "fell to 0 times the baseline's" in reason(result, "weights/drift/subject")


def test_a_frozen_layer_fails_as_a_layer_that_does_not_learn(
    lab: Path, ablab: Ablab, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = training_run.build_model

    def frozen(*arguments: Any) -> Decoder:
        decoder = build(*arguments)
        for name, weight in decoder.named_parameters():
            weight.requires_grad_(not name.startswith("layer_stack.0."))
        return decoder

    monkeypatch.setattr(training_run, "build_model", frozen)
    run = ablab("regression", "run", "gate.yaml", *QUICK, *ONE, "--json")
    result = json.loads(run.stdout)
    assert (run.exit_code, result["verdict"]) == (1, "FAIL")
    assert "fell to 0 times the baseline's" in reason(result, "weights/drift/layer_stack.0")
    assert findings(result)["weights/drift/front_end"] == "PASS"


def test_a_trial_that_fails_is_a_failed_gate(lab: Path, ablab: Ablab) -> None:
    run = ablab(
        "regression", "run", "gate.yaml", *QUICK, *ONE, "--set", "training.learning_rate=1e30", "--json"
    )
    result = json.loads(run.stdout)
    assert (run.exit_code, result["verdict"]) == (1, "FAIL")
    assert "a trial failed" in reason(result, "training")
    assert result["delta"] is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--set", "regression.baseline=tinny"), "tinny: no such baseline in "),
        (("--set", "regression.baseline=tinny"), "(did you mean 'tiny'?)"),
        (
            ("--set", "regression.seeds=[0, 7]"),
            "baseline tiny version 1 has no run of seed 7 (it has 0, 1, 2)",
        ),
        (
            (
                "--set",
                "regression.checks=[{metric: test/pearson, margin: 1}, {metric: bypass/x, at_least: 1}]",
            ),
            "checks: baseline tiny version 1 has no metric bypass/x",
        ),
        (
            ("--set", "regression.learning_curve.metric=validation/accuracy"),
            "learning_curve.metric: baseline tiny version 1 has no curve of validation/accuracy",
        ),
        (("--summary", "nowhere/gate.md"), "nowhere/gate.md: its folder does not exist"),
        (("--set", "regression.seds=[0]"), "--set: regression.seds: unknown key (did you mean 'seeds'?)"),
    ],
)
def test_wrong_input_ends_in_exit_code_2_before_anything_is_trained(
    arguments: tuple[str, ...], text: str, lab: Path, ablab: Ablab
) -> None:
    before = len(open_gates(paths_of(lab)).gates("tiny"))
    run = ablab("regression", "run", "gate.yaml", *arguments)
    assert run.exit_code == 2
    assert text in run.stderr
    assert len(open_gates(paths_of(lab)).gates("tiny")) == before


def test_an_experiment_or_a_grid_is_no_gate(lab: Path, ablab: Ablab, root: Path) -> None:
    assert "is an experiment, not a regression" in ablab("regression", "run", "tiny.yaml").stderr
    grid = root / "ablations" / "quickstart.yaml"
    assert (
        f"is a grid, not a regression; run it with: ablab grid run {grid}"
        in ablab("regression", "run", grid).stderr
    )
    assert "is a regression, not a grid" in ablab("grid", "run", "gate.yaml").stderr


def test_promotion_keeps_earlier_versions_and_says_who_when_why(lab: Path, ablab: Ablab, root: Path) -> None:
    again = ablab("regression", "promote", "experiments", "--name", "kept", "--why", "first", "--json")
    first = checked(again.stdout, "regression_promote", root)
    second = checked(
        ablab("regression", "promote", "experiments", "--cell", "tiny", "--name", "kept", "--json").stdout,
        "regression_promote",
        root,
    )
    assert (first["version"], second["version"], second["seeds"]) == (1, 2, [0, 1, 2])
    assert first["source"].endswith("/baseline/manifest.json")
    listed = checked(ablab("regression", "baselines", "kept", "--json").stdout, "regression_baselines", root)
    assert [(each["version"], each["current"], each["why"]) for each in listed["versions"]] == [
        (1, False, "first"),
        (2, True, ""),
    ]
    assert all(each["who"] and each["when"] for each in listed["versions"])
    lines = ablab("regression", "baselines", "kept").stdout.splitlines()
    assert lines[0].startswith("    1  ") and lines[1].startswith("*   2  ")
    registry = open_baselines(paths_of(lab))
    manifest = json.loads(registry.manifest(registry.versions("kept")[0]))
    assert len(manifest["runs"]) == 3
    assert {"test/pearson", "throughput/windows_per_second", "memory/peak_mib"} <= set(
        manifest["runs"][0]["metrics"]
    )
    assert len(manifest["runs"][0]["subjects"]) == 4
    assert manifest["runs"][0]["curves"]["validation/pearson"]
    assert manifest["environment"]["torch_version"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("experimets", "--name", "x"), "experimets: no such study"),
        (("experiments", "--name", "../x"), "--name: '../x' is no plain name"),
        (("experiments", "--name", "x", "--cell", "tinny"), "has no cell 'tinny'; did you mean 'tiny'?"),
    ],
)
def test_a_promotion_of_what_is_not_there(
    arguments: tuple[str, ...], text: str, lab: Path, ablab: Ablab
) -> None:
    done = ablab("regression", "promote", *arguments)
    assert done.exit_code == 2
    assert text in done.stderr


def test_history_shows_every_gate_and_draws_them(lab: Path, ablab: Ablab, root: Path) -> None:
    ablab("regression", "run", "gate.yaml", *QUICK, "--set", "regression.seeds=[0]")
    shown = checked(ablab("regression", "history", "tiny", "--json").stdout, "regression_history", root)
    night = shown["nights"][-1]
    assert (night["verdict"], night["baseline_version"], night["seeds"]) == ("INCONCLUSIVE", 1, 1)
    assert night["reasons"][0].startswith("test/pearson: 4 subjects x 1 seed: fewer than 3 seeds")
    picture = Path(shown["plot"])
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.is_relative_to(lab / "mlruns")
    table = ablab("regression", "history", "tiny", "--plot", "here.png").stdout
    assert "INCONCLUSIVE" in table and Path("here.png").is_file()
    assert json.loads(ablab("compare", "--json").stdout)["study"] == "experiments"  # not the gate's own
    missing = ablab("regression", "history", "tinnygate")
    assert missing.exit_code == 2
    assert "tinnygate: no gate of this name has run (did you mean 'tinygate'?)" in missing.stderr


def test_an_interrupted_gate_is_closed_as_killed_with_its_trials(lab: Path) -> None:
    before = {gate.run_id for gate in open_gates(paths_of(lab)).gates("tinygate")}
    process = subprocess.Popen(
        [*COMMAND, "regression", "run", "gate.yaml", *QUICK, "--set", "training.epochs=5000"],
        cwd=lab, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        while "started" not in (line := process.stderr.readline()):
            assert line, "the gate ended before its first trial"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=200)
    finally:
        process.kill()
    assert (process.returncode, output) == (130, "")
    (gate,) = [gate for gate in open_gates(paths_of(lab)).gates("tinygate") if gate.run_id not in before]
    assert (gate.status, gate.tags["error"]) == ("killed", "interrupted")
    states = open_store(paths_of(lab)).states(gate.study)
    assert {state.status for state in states} == {"killed"}
