"""Verdicts on claims: the rule, the guide's own arithmetic, and studies with known effects."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from pydantic import ValidationError
from tests.comparison.study import FULL, ORIGINAL, full_factorial, two_arms

from ablab.comparison.claims import check_claims, decide
from ablab.comparison.claims_evidence import StudyEvidence
from ablab.comparison.claims_values import CheckedClaim, Measured
from ablab.comparison.quasi_t import FEW_SEEDS, crossed_quasi_t
from ablab.spec.claims import Claim, Claimed, Ledger
from ablab.spec.claims_file import load_claims
from ablab.spec.experiment import SplitFolder
from ablab.spec.record import RunRecord

ROOT = Path(__file__).resolve().parents[2]
GUIDE = load_claims(ROOT / "ablations" / "claims" / "conformer_v2_guide.yaml")
ARMS = {
    "original": {"improvements.residual": "none", "improvements.mlp_head": False},
    "full": {"improvements.residual": "gated"},
}


def interval(low: float, high: float, no_effect: float | None = 0.0) -> Measured:
    return Measured((low + high) / 2, low, high, "crossed quasi-t", 5, no_effect=no_effect)


@pytest.mark.parametrize(
    ("claimed", "low", "high", "verdict"),
    [
        (Claimed(above=0.07, below=0.12), 0.08, 0.11, "CONFIRMED"),
        (Claimed(above=0.07, below=0.12), 0.07, 0.12, "CONFIRMED"),
        (Claimed(above=0.07, below=0.12), 0.01, 0.05, "DIRECTION ONLY"),
        (Claimed(above=0.07, below=0.12), -0.01, 0.05, "REFUTED"),
        (Claimed(above=0.07, below=0.12), 0.13, 0.15, "REFUTED"),
        (Claimed(above=0.07, below=0.12), 0.01, 0.08, "INCONCLUSIVE"),
        (Claimed(above=0.0), -0.01, 0.01, "INCONCLUSIVE"),
        (Claimed(above=0.0), 0.001, 0.01, "CONFIRMED"),
        (Claimed(above=0.0), -0.02, -0.01, "REFUTED"),
        (Claimed(below=-200.0), -150.0, -20.0, "DIRECTION ONLY"),
        (Claimed(below=-200.0), -150.0, 20.0, "REFUTED"),
        (Claimed(below=-200.0), 10.0, 20.0, "REFUTED"),
        (Claimed(value=0.0, tolerance=0.01), 0.02, 0.03, "REFUTED"),
    ],
)
def test_the_rule(claimed: Claimed, low: float, high: float, verdict: str) -> None:
    assert decide(claimed, interval(low, high)) == verdict


def test_without_a_value_of_no_effect_there_is_no_direction() -> None:
    assert decide(Claimed(above=0.1), interval(0.01, 0.02, None)) == "REFUTED"
    assert decide(Claimed(value=50.0, tolerance=5.0), interval(2.0, 10.0, 1.0)) == "DIRECTION ONLY"


def test_an_end_that_is_met_is_met_in_binary_too() -> None:
    value = 0.1 + 0.2
    assert value > 0.3 and decide(Claimed(below=0.3), interval(value, value)) == "CONFIRMED"


def test_the_guides_own_arithmetic() -> None:
    found = {each.name: each.verdict for each in check_claims(GUIDE).claims}
    assert {name for name, verdict in found.items() if verdict == "INCONSISTENT"} == {
        "C1_arithmetic",  # 0.015 / 0.155 = 9.7 % misses > 10 %
        "vanishing",  # 0.0009 in front is more than 0.0004 in the rear
        "C9_head",  # 33 k parameters, not 0.3 M
    }
    assert {name for name, verdict in found.items() if verdict == "REFUTED"} == {
        "C9_original",
        "C9_simple",
        "C9_gated",
        "C9_simple_percent_counted",
        "C9_gated_percent_counted",
    }
    percentages = {"C3_low", "C3_high", "C4_low", "C4_high", "C5", "C9_simple", "C9_gated"}
    assert all(found[f"{name}_percent"] == "CONFIRMED" for name in percentages)
    assert found["C7_arithmetic"] == found["C8_arithmetic"] == "CONFIRMED"
    evidence = {each.name: each.evidence for each in check_claims(GUIDE).claims}
    assert evidence["C1_arithmetic"] == "0.015 / 0.155 = 0.09677, outside the claimed > 0.1."
    assert evidence["C9_head"].endswith("= 33,280, outside the claimed 300,000 ± 50,000.")
    assert evidence["C9_original"].startswith("15,521,793 parameters counted in original")
    assert evidence["C9_gated_percent_counted"].startswith(
        "gated counts 0.4276 % more parameters than original"
    )


def test_arithmetic_imports_neither_numpy_nor_anything_heavy() -> None:
    program = (
        "import sys; from pathlib import Path; from ablab.spec.claims_file import load_claims;"
        "from ablab.comparison.claims import check_claims;"
        "assert check_claims(load_claims(Path(sys.argv[1]))).claims;"
        "print(*sorted({'numpy', 'scipy', 'pandas', 'torch', 'mlflow'} & set(sys.modules)))"
    )
    file = ROOT / "ablations" / "claims" / "conformer_v2_guide.yaml"
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def ledger(quantity: Mapping[str, object], claimed: Claimed, **more: object) -> Ledger:
    mechanics = str(quantity.get("metric", "test/")).startswith("g")
    claim = Claim.model_validate(
        {
            "source": "s",
            "statement": "t",
            "quantity": quantity,
            "claimed": claimed,
            "data": "any" if mechanics else "real",
        }
        | more
    )
    return Ledger(name="made_up", source="Nobody", arms=ARMS, claims={"it": claim})


def as_real(records: Sequence[RunRecord]) -> tuple[RunRecord, ...]:
    return tuple(
        replace(each, experiment=each.experiment.model_copy(update={"dataset": SplitFolder()}))
        for each in records
    )


def checked(of: Ledger, records: Sequence[RunRecord], **curves: Sequence[tuple[int, float]]) -> CheckedClaim:
    study = StudyEvidence("made_up", as_real(records), lambda run_id: curves)
    (found,) = check_claims(of, study).claims
    return found


DIFFERENCE = {
    "kind": "difference",
    "metric": "test/pearson",
    "treatment": "full",
    "reference": "original",
}


def test_a_difference_is_the_crossed_quasi_t_of_the_paired_scores() -> None:
    rng = np.random.default_rng(1)
    differences = 0.03 + rng.normal(0, 0.01, (8, 1)) + rng.normal(0, 0.004, (8, 5))
    found = checked(ledger(DIFFERENCE, Claimed(above=0.07)), two_arms(differences))
    oracle = crossed_quasi_t(differences, 0.05)
    assert found.measured is not None
    assert found.measured.estimate == pytest.approx(differences.mean())
    assert (found.measured.low, found.measured.high) == pytest.approx(
        (float(oracle.ci_low), float(oracle.ci_high))
    )
    assert (found.verdict, found.exploratory) == ("DIRECTION ONLY", False)
    assert "(crossed quasi-t, 8 subjects x 5 seeds), short of the claimed > 0.07" in found.evidence


def test_few_seeds_are_exploratory_and_fewer_than_three_test_nothing() -> None:
    differences = np.full((8, FEW_SEEDS - 1), 0.03) + np.random.default_rng(0).normal(0, 1e-3, (8, 4))
    found = checked(ledger(DIFFERENCE, Claimed(above=0.0)), two_arms(differences))
    assert (found.verdict, found.exploratory) == ("CONFIRMED", True)
    found = checked(ledger(DIFFERENCE, Claimed(above=0.0)), two_arms(differences[:, :2]))
    assert (found.verdict, found.evidence) == ("NOT TESTABLE", "2 seeds at hand, and a claim needs 3.")


def test_simulated_data_never_decide_performance() -> None:
    records = two_arms(np.full((4, 5), 0.5) + np.arange(20).reshape(4, 5) / 1000)
    performance = ledger(DIFFERENCE, Claimed(above=0.0), data="real")
    study = StudyEvidence("made_up", tuple(records), lambda run_id: {})
    (found,) = check_claims(performance, study).claims
    assert (found.verdict, found.measured) == ("NOT TESTABLE", None)
    assert "simulated" in found.evidence
    assert checked(performance, records).verdict == "CONFIRMED"


def test_a_claim_of_performance_cannot_be_declared_as_mechanics() -> None:
    for quantity in (
        DIFFERENCE,
        {"kind": "metric", "metric": "validation/pearson", "arm": "full"},
        {"kind": "epochs_to_converge", "treatment": "full", "reference": "original"},
    ):
        with pytest.raises(ValidationError, match="performance, which simulated data never decide"):
            ledger(quantity, Claimed(above=0.0), data="any")


def test_identical_arms_bear_out_no_gain() -> None:
    same = np.zeros((4, 5))
    assert checked(ledger(DIFFERENCE, Claimed(above=0.0)), two_arms(same)).verdict == "REFUTED"
    assert checked(ledger(DIFFERENCE, Claimed(below=0.0)), two_arms(same)).verdict == "REFUTED"
    within = Claimed(above=-0.01, below=0.01)
    assert checked(ledger(DIFFERENCE, within, test="equivalence"), two_arms(same)).verdict == "CONFIRMED"


def test_equivalence_takes_the_narrower_interval_of_two_one_sided_tests() -> None:
    rng = np.random.default_rng(3)
    differences = rng.normal(0, 0.006, (8, 5))
    wide = crossed_quasi_t(differences, 0.05)
    narrow = crossed_quasi_t(differences, 0.10)
    end = float(narrow.ci_high + wide.ci_high) / 2  # between the two
    low = float(wide.ci_low) - 1
    same = ledger(DIFFERENCE, Claimed(above=low, below=end), test="equivalence")
    assert checked(same, two_arms(differences)).verdict == "CONFIRMED"
    assert "90 % CI" in checked(same, two_arms(differences)).evidence
    plain = ledger(DIFFERENCE, Claimed(above=low, below=end))
    assert checked(plain, two_arms(differences)).verdict == "INCONCLUSIVE"


def with_metric(
    records: Sequence[RunRecord], name: str, values: Mapping[tuple[str, int], float]
) -> list[RunRecord]:
    return [
        replace(each, metrics={**each.metrics, name: values[each.cell, each.seed]})
        for each in records
        if (each.cell, each.seed) in values
    ]


def test_a_ratio_is_a_paired_t_test_of_logarithms_over_seeds() -> None:
    factors = [1.8, 2.2, 2.0, 2.1, 1.9]
    values = {(ORIGINAL, seed): 0.1 * (seed + 1) for seed in range(5)}
    values |= {(FULL, seed): 0.1 * (seed + 1) * factor for seed, factor in enumerate(factors)}
    records = with_metric(two_arms(np.zeros((3, 5))), "gradient/ratio", values)
    ratio = {"kind": "ratio", "metric": "gradient/ratio", "treatment": "full", "reference": "original"}
    found = checked(ledger(ratio, Claimed(value=17.0, tolerance=0.5)), records)
    oracle = scipy.stats.ttest_1samp(np.log(factors), 0).confidence_interval(0.95)
    assert found.measured is not None
    assert (found.measured.low, found.measured.high) == pytest.approx(
        (math.exp(oracle.low), math.exp(oracle.high))
    )
    assert found.verdict == "DIRECTION ONLY" and found.is_ratio
    values[FULL, 3] = -0.1
    records = with_metric(two_arms(np.zeros((3, 5))), "gradient/ratio", values)
    found = checked(ledger(ratio, Claimed(above=1.0)), records)
    assert found.evidence == (
        "gradient/ratio is not above zero in every run, so that a ratio is not defined."
    )


def test_a_metric_without_subjects_is_tested_over_seeds() -> None:
    metric = {"kind": "metric", "metric": "gradient/ratio", "arm": "full"}
    values = {(FULL, seed): 0.1 + 0.01 * seed for seed in range(5)}
    records = with_metric(two_arms(np.zeros((3, 5))), "gradient/ratio", values)
    found = checked(ledger(metric, Claimed(above=0.05)), records)
    oracle = scipy.stats.ttest_1samp(list(values.values()), 0).confidence_interval(0.95)
    assert found.measured is not None and found.measured.n_subjects is None
    assert (found.measured.low, found.measured.high) == pytest.approx((oracle.low, oracle.high))
    assert found.verdict == "CONFIRMED"
    missing = {"kind": "metric", "metric": "gate/mean", "arm": "full"}
    found = checked(ledger(missing, Claimed(above=0.05)), records)
    assert (found.verdict, found.evidence) == (
        "NOT TESTABLE",
        f"no run of {FULL} has the metric gate/mean.",
    )


def test_a_course_is_judged_by_its_extreme() -> None:
    records = two_arms(np.zeros((3, 3)))
    course = {"kind": "course", "metric": "gradient/norm", "arm": "full", "extreme": "highest"}
    curve = ((1, 2.0), (2, 12.0), (3, 4.0))
    found = checked(ledger(course, Claimed(below=10.0)), records, **{"gradient/norm": curve})
    assert found.verdict == "REFUTED" and found.measured is not None and found.measured.estimate == 12.0
    found = checked(ledger(course, Claimed(below=10.0)), records)
    assert found.verdict == "NOT TESTABLE"


def test_epochs_to_converge_are_compared_by_restricted_mean() -> None:
    # Ten evaluations each: the original arrives at the last, the full cell at the fourth, once at the third.
    slow = tuple((10 * k, 0.02 * k) for k in range(1, 11))
    fast, faster = (tuple((10 * k, min(0.2, rise * k)) for k in range(1, 11)) for rise in (0.05, 0.07))
    records = [
        replace(each, metrics={**each.metrics, "epochs_trained": 100.0})
        for each in two_arms(np.zeros((3, 3)))
    ]
    by_run = {
        each.run_id: slow if each.cell == ORIGINAL else faster if each.seed == 1 else fast for each in records
    }
    epochs = {"kind": "epochs_to_converge", "treatment": "full", "reference": "original"}
    records = list(as_real(records))
    study = StudyEvidence("made_up", tuple(records), lambda run_id: {"validation/pearson": by_run[run_id]})
    (found,) = check_claims(ledger(epochs, Claimed(below=-40.0)), study).claims
    assert found.measured is not None and found.measured.estimate == pytest.approx(-190 / 3)
    assert found.verdict == "CONFIRMED" and "restricted mean epochs" in found.evidence
    study = StudyEvidence("made_up", tuple(records), lambda run_id: {})
    (found,) = check_claims(ledger(epochs, Claimed(below=-40.0)), study).claims
    assert (found.verdict, found.evidence) == (
        "NOT TESTABLE",
        "no convergence: no validation curve of both cells was recorded.",
    )


def test_arms_are_found_by_what_a_cell_trains() -> None:
    several = {"kind": "metric", "metric": "test/pearson", "arm": "full"}
    found = checked(ledger(several, Claimed(above=0.0)), full_factorial())
    assert found.verdict == "NOT TESTABLE"
    assert found.evidence.startswith("4 cells of the study fit arm 'full' (residual=gated,")
    deep = Ledger(
        name="made_up",
        source="Nobody",
        arms={"full": {"model.n_layers": 12}},
        claims=ledger(several, Claimed(above=0.0)).claims,
    )
    found = checked(deep, full_factorial())
    assert found.evidence == "the study has no finished run of arm 'full' (none has model.n_layers 12)."


def test_a_control_is_an_arm_only_where_no_cell_of_the_design_fits() -> None:
    records = two_arms(np.full((3, 3), 0.01))
    frozen = []
    for each in records:
        if each.cell == ORIGINAL:
            model = each.experiment.model.model_copy(update={"n_layers": 0})
            experiment = each.experiment.model_copy(update={"model": model})
            frozen.append(replace(each, cell=f"{ORIGINAL},control=no_stack", experiment=experiment))
    found = checked(ledger(DIFFERENCE, Claimed(above=0.0)), [*records, *frozen])
    assert found.verdict == "CONFIRMED"  # the original, not its control
    without = Ledger(
        name="made_up",
        source="Nobody",
        arms={"full": {**ARMS["original"], "model.n_layers": 0}, "original": ARMS["original"]},
        claims=ledger(DIFFERENCE, Claimed(value=0.0)).claims,
    )
    found = checked(without, [*records, *frozen])
    assert found.verdict == "CONFIRMED" and found.measured is not None and found.measured.estimate == 0.0
