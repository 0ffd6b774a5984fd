from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from hand_made import state, trial

from ablab.comparison.power import detectable
from ablab.orchestration.forecast import cost_of, expected_seconds, power_of, spread_between
from ablab.orchestration.pilot_facts import PilotFacts, Spread, keep, pilot_of
from ablab.orchestration.selection import standings
from ablab.paths import Paths
from ablab.spec.record import RunRecord, SubjectScore
from ablab.spec.trial import Trial

A, B, C = (trial("none", seed) for seed in range(3))
G = trial("gated", 0)
PILOT = PilotFacts(50, 2, {"residual=none": 2.0, "residual=gated": 4.0}, Spread(0.02, 0.005, 0.01, 8))


def _record(of: Trial, scores: list[float]) -> RunRecord:
    subjects = tuple(SubjectScore(f"s{i}", 1, 1, None, score, 0.0, 0.0) for i, score in enumerate(scores))
    return RunRecord(
        of.key, of.key, of.study, of.cell.id, of.cell.label, of.seed, of.cell.factors, "seed", "finished",
        of.cell.experiment, "data", "now", "", 1.0, {}, subjects,
    )  # fmt: skip


def test_finished_runs_of_a_cell_tell_the_time_of_its_trials() -> None:
    states = [replace(state(A), seconds=10.0), replace(state(G), seconds=40.0)]
    cost = cost_of(standings([A, B, C, G, trial("gated", 1)], states, "now"), None, workers=2)
    assert cost is not None
    assert cost.seconds_total == 10 + 10 + 40
    assert cost.seconds_per_trial == 20
    assert cost.seconds_wall == 40  # the longest trial, not 60 / 2
    assert cost.source == "2 finished runs"


def test_a_cell_without_runs_is_taken_for_an_average_one() -> None:
    cost = cost_of(standings([A, G], [replace(state(A), seconds=10.0)], "now"), None, workers=1)
    assert cost is not None
    assert cost.seconds_total == 10


def test_the_pilot_tells_the_time_per_epoch() -> None:
    cost = cost_of(standings([A, G], [], "now"), PILOT, workers=1)
    assert cost is not None
    assert cost.seconds_total == (2.0 + 4.0) * 1000
    assert cost.source == "pilot 3 s/epoch"


def test_the_expected_seconds_are_those_of_runs_of_the_pilot_or_in_proportion_to_the_work() -> None:
    trials = [A, B, G]
    states = [replace(state(A), seconds=10.0), replace(state(G), seconds=40.0)]
    measured = expected_seconds(trials, standings(trials, states, "now"), PILOT)
    assert list(measured.values()) == [10.0, 10.0, 40.0]
    piloted = expected_seconds(trials, standings(trials, [], "now"), PILOT)
    assert list(piloted.values()) == [2000.0, 2000.0, 4000.0]
    guessed = expected_seconds(trials, standings(trials, [], "now"), None)
    assert guessed[A.key] == guessed[B.key] < guessed[G.key]  # the gate has parameters
    assert sum(guessed.values()) == pytest.approx(3 * 3600)


def test_no_cost_where_nothing_is_known_or_nothing_is_to_run() -> None:
    assert cost_of(standings([A], [], "now"), None, workers=1) is None
    assert cost_of(standings([A], [state(A)], "now"), PILOT, workers=1) is None


def test_the_spread_is_that_of_paired_differences() -> None:
    rng = np.random.default_rng(0)
    subjects, seeds = rng.normal(0, 0.02, 20), rng.normal(0, 0.01, 4)
    level = rng.uniform(0, 0.5, (20, 4))  # common to both arms: must cancel
    records = []
    for seed in range(4):
        records.append(_record(trial("none", seed), list(level[:, seed])))
        records.append(_record(trial("gated", seed), list(level[:, seed] + subjects + seeds[seed])))
    spread = spread_between(records, "residual=gated", "residual=none", "test/pearson")
    assert spread is not None
    assert spread.n_subjects == 20
    assert spread.sd_subject == pytest.approx(np.std(subjects, ddof=1))
    assert spread.sd_seed == pytest.approx(np.std(seeds, ddof=1))
    assert spread.sd_residual == pytest.approx(0, abs=1e-9)


def test_one_seed_has_no_spread() -> None:
    records = [_record(trial("none"), [0.1, 0.2]), _record(trial("gated"), [0.2, 0.2])]
    assert spread_between(records, "residual=gated", "residual=none", "test/pearson") is None


def test_power_is_that_of_the_declared_seeds_at_the_pilots_variances(tmp_path: Path) -> None:
    loaded = tiny.loaded(tmp_path, seeds=(0, 1, 2, 3, 4))
    from ablab.designs.expand import cells

    power = power_of(loaded, cells(loaded.grid, loaded.bases), [], PILOT, n_subjects=71)
    assert power is not None
    assert power.detectable == detectable(0.02, 0.005, 0.01, n_subjects=71, n_seeds=5)
    assert (power.n_seeds, power.n_subjects, power.source) == (5, 71, "pilot variances")
    assert power_of(loaded, cells(loaded.grid, loaded.bases), [], None, n_subjects=71) is None


def test_pilot_facts_are_kept(paths: Paths) -> None:
    assert pilot_of("quick", paths) is None
    keep("quick", PILOT, paths)
    assert pilot_of("quick", paths) == PILOT
    keep("quick", replace(PILOT, spread=None), paths)
    assert pilot_of("quick", paths) == replace(PILOT, spread=None)
