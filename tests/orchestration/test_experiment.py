from __future__ import annotations

from pathlib import Path

import pytest
import tiny

from ablab.baselines.cache import floor
from ablab.comparison import figures
from ablab.errors import StudyLockedError
from ablab.orchestration.experiment import run_experiment
from ablab.orchestration.experiment_standing import experiment_standing
from ablab.orchestration.lease import hold
from ablab.paths import Paths
from ablab.spec.load import load_experiment
from ablab.tracking.memory import MemoryStore


def test_an_experiment_runs_once_per_seed_and_content(tmp_path: Path, paths: Paths) -> None:
    tiny.write(tmp_path)
    store = MemoryStore()
    loaded = load_experiment(tmp_path / "tiny.yaml")
    first = run_experiment(loaded, seed=3, paths=paths, store=store)
    assert (first.study, first.completed, first.exit_code) == ("experiments", 1, 0)
    assert run_experiment(loaded, seed=3, paths=paths, store=store).skipped == 1
    changed = load_experiment(tmp_path / "tiny.yaml", ["improvements.mlp_head=true"])
    assert run_experiment(changed, seed=3, paths=paths, store=store).completed == 1
    cells = [(state.cell, state.seed) for state in store.states("experiments")]
    assert cells[0] == ("tiny", 3)
    assert cells[1][0].startswith("tiny@")
    assert len(cells) == 2


def test_a_run_of_other_code_is_repeated(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.write(tmp_path)
    store = MemoryStore()
    loaded = load_experiment(tmp_path / "tiny.yaml")
    run_experiment(loaded, seed=0, paths=paths, store=store)
    monkeypatch.setattr("ablab.orchestration.experiment.code_fingerprint", lambda: "changed")
    assert run_experiment(loaded, seed=0, paths=paths, store=store).completed == 1


def test_the_same_trial_cannot_run_twice_at_once(tmp_path: Path, paths: Paths) -> None:
    tiny.write(tmp_path)
    store = MemoryStore()
    loaded = load_experiment(tmp_path / "tiny.yaml")
    run_experiment(loaded, seed=0, paths=paths, store=store)
    key = store.states("experiments")[0].key
    held = hold(paths.lease(f"experiments-{key}"), "it")
    with held, pytest.raises(StudyLockedError, match="tiny seed 0 is being run by process"):
        run_experiment(loaded, seed=0, paths=paths, store=store)


def test_a_finished_run_is_set_against_chance_and_the_ridge(tmp_path: Path, paths: Paths) -> None:
    tiny.write(tmp_path)
    store = MemoryStore()
    experiment = load_experiment(tmp_path / "tiny.yaml").experiment

    def said(seed: int) -> str | None:
        return experiment_standing(experiment, seed, study="experiments", paths=paths, store=store)

    run_experiment(load_experiment(tmp_path / "tiny.yaml"), seed=3, paths=paths, store=store)
    (record,) = store.records("experiments")
    text, r = said(3), record.metrics["test/pearson"]
    linear = floor(experiment.dataset, experiment.evaluation, paths, compute=False)
    assert text is not None and linear is not None
    assert text.startswith("tiny seed 3 ") and figures.plain(r) in text
    assert ("DOES NOT BEAT" in text) is (r <= max(record.metrics["test/chance_p95"], linear.test_pearson))
    assert figures.plain(linear.test_pearson) in text
    assert said(4) is None
