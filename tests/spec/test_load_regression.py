"""Regression files: what they default to, and every fault where it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablab.errors import SpecError
from ablab.spec.load_regression import LoadedRegression, load_regression

GATE = """\
kind: regression
name: g
experiment: e.yaml
baseline: b
"""
WAYS = "needs one of margin, at_least and/or at_most, or equal: true"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "e.yaml").write_text("name: e\ntraining: {epochs: 3}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str = "", *overrides: str) -> LoadedRegression:
    Path("g.yaml").write_text(GATE + text)
    return load_regression(Path("g.yaml"), overrides)


def faults(text: str = "", *overrides: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(text, *overrides)
    return str(caught.value).splitlines()


def test_what_is_not_written_has_its_default(folder: Path) -> None:
    loaded = load()
    gate = loaded.regression
    assert (loaded.study, loaded.experiment.training.epochs) == ("g", 3)
    assert (gate.seeds, gate.max_seeds, gate.looks, gate.alpha, gate.determinism) == (
        (0, 1, 2),
        None,
        1,
        0.05,
        True,
    )
    assert (gate.primary.metric, gate.primary.margin) == ("test/pearson", 0.01)
    assert (gate.schedule, gate.on_fail, gate.learning_curve) == (None, (), None)


def test_overrides_address_the_experiment_or_the_gate_and_name_another_study(folder: Path) -> None:
    loaded = load("", "training.epochs=5", "regression.seeds=[3, 4, 5]")
    assert (loaded.experiment.training.epochs, loaded.regression.seeds) == (5, (3, 4, 5))
    assert loaded.study.startswith("g@") and len(loaded.study) == len("g@") + 8
    assert load("", "regression.alpha=1e-2").study == load("", "regression.alpha=0.01").study
    assert load("", "regression.alpha=0.01").study != load("", "regression.alpha=0.02").study


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("sees: [1]", 5, "sees: unknown key (did you mean 'seeds'?)"),
        ("seeds: [1, 1]", 5, "seeds: names a seed twice"),
        ("max_seeds: 2", 5, "max_seeds: is below the 3 seeds that are named"),
        ("max_seeds: 5", 1, "looks: seeds are added after a look, so max_seeds needs looks: 2 or more"),
        ("looks: 3", 5, "looks: 3 looks need at least 2 seeds to add; raise max_seeds"),
        ("alpha: 0.5", 5, "alpha: must be less than 0.5, not 0.5"),
        ("checks: []", 5, "checks: needs at least one check with a margin"),
        ("checks:\n- {metric: a}", 6, f"checks[0].metric: {WAYS}"),
        ("checks:\n- {metric: a, margin: 1, equal: true}", 6, f"checks[0].metric: {WAYS} (and not several)"),
        (
            "checks:\n- {metric: 'a/*', margin: 1}",
            6,
            "checks[0].metric: a margin is for one metric, not for a pattern",
        ),
        (
            "checks:\n- {metric: a, margin: 1, mergin: 2}",
            6,
            "checks[0].mergin: unknown key (did you mean 'margin'?)",
        ),
        ("checks:\n- {metric: a, at_least: 2, at_most: 1}", 6, "checks[0].at_least: is above at_most"),
        ("checks:\n- {metric: a, margin: 1}\n- {metric: a, equal: true}", 5, "checks: names a metric twice"),
        (
            "schedule: {cron: '1 2 3'}",
            5,
            "schedule.cron: needs 5 fields (minute hour day month weekday), or 6 with the second in front, "
            "not 3",
        ),
        (
            "schedule: {cron: '1 2 * * *', timezone: Mars/Olympus}",
            5,
            "schedule.timezone: no time zone 'Mars/Olympus'; give an IANA name such as UTC or Europe/Berlin",
        ),
        ("on_fail: tell", 5, "on_fail: must be a list, not the string 'tell'"),
    ],
)
def test_a_fault_is_located(folder: Path, text: str, line: int, fault: str) -> None:
    assert faults(text) == [f"g.yaml:{line}: {fault}"]


def test_all_faults_are_reported_at_once_those_of_the_experiment_too(folder: Path) -> None:
    (folder / "e.yaml").write_text("name: e\ntraining: {epoch: 3}\n")
    assert faults("sees: [1]", "regression.alhpa=2", "modle=3") == [
        "g.yaml:5: sees: unknown key (did you mean 'seeds'?)",
        "--set: regression.alhpa: unknown key (did you mean 'alpha'?)",
        "--set: modle: unknown key (did you mean 'model'?)",
        "e.yaml:2: training.epoch: unknown key (did you mean 'epochs'?)",
    ]


def test_a_missing_experiment_is_named_where_it_is_written(folder: Path) -> None:
    (folder / "e.yaml").rename(folder / "f.yaml")
    assert faults()[0].startswith("g.yaml:3: experiment: no such file: e.yaml")
    assert faults("", "regression.experiment=there/e") == [
        "--set: regression.experiment: no such file: there/e"
    ]
