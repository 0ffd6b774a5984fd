from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from tests.comparison import lifelines_oracle
from tests.comparison.study import FULL, ORIGINAL, run

from ablab.comparison.convergence import (
    CURVE,
    Arrival,
    Convergence,
    convergence,
    in_epochs,
    kaplan_meier,
    survival,
)
from ablab.spec.experiment import Experiment, Simulated, Training
from ablab.spec.record import RunRecord

LIFELINES = json.loads(lifelines_oracle.FILE.read_text())["cases"]

EPOCHS = 10
STEPS = 7
"""Per epoch."""


def a_run(cell: str, seed: int, epochs: int = EPOCHS) -> RunRecord:
    spec = Experiment(name="made_up", dataset=Simulated(), training=Training(epochs=epochs, evaluate_every=1))
    return replace(run(cell, seed), experiment=spec)


def curve(values: list[float]) -> dict[str, list[tuple[int, float]]]:
    return {CURVE: [(STEPS * (epoch + 1), r) for epoch, r in enumerate(values)]}


def arriving(epoch: int, high: float = 0.2, n: int = EPOCHS) -> list[float]:
    """At .1 before ``epoch``, at ``high`` from it on."""
    return [0.1 if e < epoch else high for e in range(1, n + 1)]


def compared(reference: list[list[float]], treatment: list[list[float]]) -> Convergence | str:
    runs, curves = [], {}
    for cell, courses in ((ORIGINAL, reference), (FULL, treatment)):
        for seed, values in enumerate(courses):
            record = a_run(cell, seed)
            runs.append(record)
            curves[record.run_id] = curve(values)
    return convergence(runs, curves, treatment=FULL, reference=ORIGINAL)


def test_a_case_worked_by_hand() -> None:
    slow, fast = [arriving(8), arriving(9), arriving(10)], [arriving(4), arriving(3), arriving(6)]
    found = compared(slow, fast)
    assert found.threshold == pytest.approx(0.95 * 0.2)
    assert found.tau == 10
    assert (found.reference.restricted_mean, found.treatment.restricted_mean) == pytest.approx((9, 13 / 3))
    assert found.difference.mean == pytest.approx(-14 / 3)
    assert found.difference.name == "paired t-test over seeds"
    assert found.difference.p_value == pytest.approx(stats.ttest_1samp([-4, -6, -4], 0).pvalue)
    assert found.treatment.epochs == (3, 4, 6)
    assert found.treatment.below == pytest.approx((2 / 3, 1 / 3, 0))


def test_a_run_that_never_arrives_is_censored_and_not_arrived_at_its_best() -> None:
    found = compared([arriving(8), arriving(8)], [arriving(2), arriving(5, high=0.15)])
    never = next(each for each in found.arrivals if each.cell == FULL and each.seed == 1)
    assert (never.epoch, never.reached) == (10, False)
    assert (found.treatment.n_reached, found.treatment.n_runs) == (1, 2)
    assert found.treatment.below == (0.5,)
    assert found.treatment.restricted_mean == pytest.approx(6)  # half at 2, half at the last epoch


def test_a_late_best_epoch_is_not_slow_learning() -> None:
    creeping = [0.1, 0.195, *np.linspace(0.196, 0.2, 8)]
    found = compared([arriving(8)] * 3, [creeping] * 3)
    assert found.treatment.epochs == (2,)


@pytest.mark.parametrize("name", LIFELINES)
def test_curve_and_restricted_mean_equal_lifelines(name: str) -> None:
    case = LIFELINES[name]
    runs = zip(case["times"], case["reached"], strict=True)
    arrivals = [Arrival(FULL, seed, epoch, reached) for seed, (epoch, reached) in enumerate(runs)]
    other_cell = Arrival(ORIGINAL, 0, 1, True)
    found = [survival(FULL, [*arrivals, other_cell], tau) for tau in case["taus"]]
    theirs = case["lifelines"]
    assert found[0].epochs == tuple(theirs["epochs"])
    assert found[0].below == pytest.approx(theirs["below"])
    assert [each.restricted_mean for each in found] == pytest.approx(theirs["restricted_means"])


def test_what_lifelines_computed_is_of_the_cases_as_they_stand() -> None:
    kept = {name: {key: case[key] for key in case if key != "lifelines"} for name, case in LIFELINES.items()}
    assert kept == lifelines_oracle.CASES


@pytest.mark.parametrize("rng_seed", range(4))
def test_kaplan_meier_equals_statsmodels(rng_seed: int) -> None:
    from statsmodels.duration.survfunc import SurvfuncRight

    rng = np.random.default_rng(rng_seed)
    times = rng.integers(1, 9, 14).astype(float)
    reached = rng.random(14) < 0.6
    epochs, below = kaplan_meier(times, reached)
    oracle = SurvfuncRight(times, reached.astype(int))
    assert epochs == pytest.approx(oracle.surv_times[oracle.n_events > 0])
    assert below == pytest.approx(oracle.surv_prob[oracle.n_events > 0])


def test_the_restricted_mean_is_the_mean_of_restricted_times_where_all_are_seen_up_to_tau() -> None:
    times = [3.0, 5.0, 5.0, 9.0, 10.0, 10.0]
    arrivals = [Arrival(FULL, i, t, t < 10) for i, t in enumerate(times)]
    for tau in (4.0, 8.0, 10.0):
        assert survival(FULL, arrivals, tau).restricted_mean == pytest.approx(np.minimum(times, tau).mean())


def test_steps_become_epochs_by_the_epochs_that_were_trained() -> None:
    early = replace(a_run(FULL, 0), metrics={"epochs_trained": 6.0})
    assert in_epochs(early, curve([0.1] * 6)[CURVE]) == [(float(e), 0.1) for e in range(1, 7)]


def test_where_one_stopped_early_times_are_compared_up_to_there() -> None:
    first, second = a_run(ORIGINAL, 0), replace(a_run(FULL, 0), metrics={"epochs_trained": 6.0})
    curves = {first.run_id: curve(arriving(9)), second.run_id: curve(arriving(4, n=6))}
    found = convergence([first, second], curves, treatment=FULL, reference=ORIGINAL)
    assert found.tau == 6
    assert found.difference.mean == pytest.approx(4 - 6)
    assert "one seed" in found.difference.refused


def test_different_numbers_of_epochs_are_not_compared() -> None:
    runs = [a_run(ORIGINAL, 0, epochs=10), a_run(FULL, 0, epochs=20)]
    curves = {each.run_id: curve(arriving(3)) for each in runs}
    assert convergence(runs, curves, treatment=FULL, reference=ORIGINAL) == (
        "no convergence: the cells train for different numbers of epochs (10 and 20)"
    )


def test_without_curves_or_without_any_learning_it_says_so() -> None:
    assert "no validation curve" in compared([[]], [arriving(3)])
    assert "not above 0" in compared([[-0.1, -0.2]], [arriving(3)])


def test_the_same_difference_in_every_seed_has_no_interval() -> None:
    found = compared([arriving(8)] * 3, [arriving(5)] * 3)
    assert found.difference.mean == -3
    assert (found.difference.ci_low, found.difference.p_value) == (None, None)
    assert "evaluated too rarely" in found.difference.refused
