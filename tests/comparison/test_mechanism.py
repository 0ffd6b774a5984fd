"""Verdicts on mechanisms, each from made-up records in which it is true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from tests.comparison.study import run as make_run

from ablab.comparison.mechanism import decide, diagnose_mechanism
from ablab.comparison.mechanism_evidence import different_toggles
from ablab.comparison.mechanism_values import Change, Evidence, MechanismReport, MechanismVerdict
from ablab.errors import NotFoundError
from ablab.spec.experiment import Experiment, Improvements, Simulated
from ablab.spec.grid import Analysis, Control
from ablab.spec.load import with_values
from ablab.spec.record import RunRecord

A, B = "gradient_scale=2.0", "gradient_scale=1.0"
CONTROL: Mapping[Control, Mapping[str, float | int]] = {
    "frozen_stack": {"training.layer_rates.stack": 0.0},
    "no_stack": {"model.n_layers": 0},
}


def experiment(scale: float, residual: str = "global") -> Experiment:
    improvements = Improvements(residual=residual, gradient_scale=scale)  # type: ignore[arg-type]
    return Experiment(name="made_up", dataset=Simulated(), improvements=improvements)


def cell(
    name: str,
    spec: Experiment,
    *,
    r: float = 0.15,
    ratio: float = 0.03,
    update: float = 1e-3,
    drift: float = 0.2,
    bypass: float | None = None,
    n_seeds: int = 5,
    rng_seed: int = 0,
) -> list[RunRecord]:
    """Runs of a cell: quantities with a seed's spread of 2 %, 8 subjects with a little noise."""
    rng = np.random.default_rng(rng_seed)
    records = []
    for seed in range(n_seeds):
        noise = 1 + 0.02 * rng.standard_normal(6)
        metrics = {
            "gradient/ratio_mean/layer_stack.0": ratio * noise[0],
            "gradient/ratio_mean/front_end": ratio * noise[3],
            "update_ratio_mean/layer_stack.0": update * noise[1],
            "update_ratio_mean/front_end": update * noise[4],
            "weights/drift/layer_stack.0": drift * noise[2],
            "weights/drift/front_end": drift * noise[5],
            "weights/drift/head": 0.4,
        }
        if bypass is not None:
            drop = bypass + 0.001 * rng.standard_normal()
            metrics |= {"bypass/layer_stack": drop, "bypass/layer_stack.0": drop}
        scores = {f"sub-{s}": r + 0.01 * s + 0.002 * float(rng.standard_normal()) for s in range(8)}
        base = make_run(name, seed, scores)
        records.append(replace(base, experiment=spec, metrics=base.metrics | metrics))
    return records


def control(kind: Control, of: str, spec: Experiment, r: float, n_seeds: int = 5) -> list[RunRecord]:
    frozen = with_values(spec, CONTROL[kind])
    return cell(f"{of},control={kind}", frozen, r=r, drift=0.0, n_seeds=n_seeds, rng_seed=9)


def report(*cells: list[RunRecord], **more: object) -> MechanismReport:
    records = [record for each in cells for record in each]
    return diagnose_mechanism(records, study="made_up", treatment=A, reference=B, **more)  # type: ignore[arg-type]


def verdict(report: MechanismReport, group: str = "layer_stack") -> MechanismVerdict:
    return next(each for each in report.verdicts if each.evidence.group == group)


def test_real_when_trained_minus_control_lies_above_the_smallest_effect_of_interest() -> None:
    a, b = experiment(2.0), experiment(1.0)
    found = report(
        cell(A, a, r=0.18, ratio=0.06),
        cell(B, b, r=0.15, rng_seed=1),
        control("frozen_stack", A, a, 0.15),
        control("frozen_stack", B, b, 0.15),
    )
    stack = verdict(found)
    assert stack.kind == "REAL"
    assert stack.evidence.contribution is not None
    assert stack.evidence.contribution.source == "trained minus frozen stack"
    assert stack.evidence.contribution.test.mean == pytest.approx(0.03, abs=0.003)
    assert stack.sentence.startswith("trained minus frozen stack +.03")
    assert "above .010 (reference " in stack.sentence
    assert "not shown to be" not in stack.sentence


def test_real_by_bypass_drop_where_no_control_was_trained() -> None:
    found = report(cell(A, experiment(2.0), bypass=0.03), cell(B, experiment(1.0), bypass=0.0, rng_seed=1))
    for group in ("layer_stack", "layer_stack.0"):
        each = verdict(found, group)
        assert each.kind == "REAL"
        assert each.sentence.startswith("bypass drop +.03")


def test_cosmetic_when_the_gradient_alone_rose() -> None:
    a, b = experiment(2.0), experiment(1.0)
    found = report(
        cell(A, a, ratio=0.06),
        cell(B, b, rng_seed=1),
        control("frozen_stack", A, a, 0.15),
        control("frozen_stack", B, b, 0.15),
    )
    stack = verdict(found)
    assert stack.kind == "COSMETIC"
    assert stack.evidence.ratio is not None
    assert stack.evidence.ratio.factor == pytest.approx(2, rel=0.05)
    assert "gradient ratio 0.0301 -> 0.06 (x1.99 [x1.95, x2.04])" in stack.sentence


def test_cosmetic_when_the_stack_contributed_as_much_before() -> None:
    """Shown by equivalence of the two contributions; else the change would be credited with it."""
    a, b = experiment(2.0), experiment(1.0)
    arms = (
        cell(A, a, r=0.18, ratio=0.06),
        cell(B, b, r=0.18, rng_seed=1),
        control("frozen_stack", A, a, 0.15),
        control("frozen_stack", B, b, 0.15),
    )
    assert verdict(report(*arms)).kind == "COSMETIC"
    alone = verdict(report(*arms[:3]))
    assert alone.kind == "REAL"
    assert "the reference's is not known" in alone.sentence


def test_real_says_so_where_the_reference_has_it_too() -> None:
    a, b = experiment(2.0), experiment(1.0)
    found = report(
        cell(A, a, r=0.18, drift=0.4),
        cell(B, b, r=0.18, rng_seed=1),
        control("frozen_stack", A, a, 0.15),
        control("frozen_stack", B, b, 0.15),
    )
    assert verdict(found).kind == "REAL"
    assert "not shown to be the change's doing" in verdict(found).sentence


def test_moved_not_used_when_weights_drift_and_nothing_comes_of_it() -> None:
    a, b = experiment(2.0), experiment(1.0)
    found = report(
        cell(A, a, drift=0.5), cell(B, b, drift=0.2, rng_seed=1), control("frozen_stack", A, a, 0.15)
    )
    stack = verdict(found)
    assert stack.kind == "MOVED, NOT USED"
    assert "equivalent to zero within .010" in stack.sentence


def test_nothing_that_stands_still_has_moved() -> None:
    a, b = experiment(2.0), experiment(1.0)
    found = report(
        cell(A, a, drift=0.005), cell(B, b, drift=0.002, rng_seed=1), control("frozen_stack", A, a, 0.15)
    )
    assert verdict(found).kind == "UNRESOLVED"


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_fewer_than_three_seeds_decide_nothing(n_seeds: int) -> None:
    a, b = experiment(2.0), experiment(1.0)
    found = report(
        cell(A, a, r=0.5, n_seeds=n_seeds),
        cell(B, b, n_seeds=5),
        control("frozen_stack", A, a, 0.1, n_seeds),
    )
    assert {each.kind for each in found.verdicts} == {"UNRESOLVED"}
    assert "a verdict needs 3" in verdict(found).sentence


def test_a_control_of_two_seeds_decides_nothing() -> None:
    a = experiment(2.0)
    found = report(cell(A, a, r=0.5), cell(B, experiment(1.0)), control("frozen_stack", A, a, 0.1, 2))
    assert verdict(found).kind == "UNRESOLVED"
    assert "known for 2 seeds, not for 3" in verdict(found).sentence


def test_a_group_whose_contribution_nothing_measures_is_unresolved() -> None:
    found = report(cell(A, experiment(2.0), ratio=0.09), cell(B, experiment(1.0)))
    front = verdict(found, "front_end")
    assert front.kind == "UNRESOLVED"
    assert front.sentence.startswith("nothing measures what it contributes; gradient ratio 0.02")


def test_ratios_are_compared_at_identical_toggles_only() -> None:
    a, b = experiment(2.0, "gated"), experiment(1.0, "global")
    found = report(
        cell(A, a, ratio=0.9, bypass=0.0), cell(B, b, bypass=0.0), control("frozen_stack", A, a, 0.15)
    )
    assert verdict(found).evidence.ratio is None
    assert verdict(found).kind != "COSMETIC"
    assert "gradient ratios are not compared: the cells differ in improvements.residual" in found.notes[0]
    assert different_toggles(a, experiment(3.0, "gated")) == []


def test_bypass_drops_are_compared_within_one_residual_only() -> None:
    alike = report(cell(A, experiment(2.0), bypass=0.03), cell(B, experiment(1.0), bypass=0.03))
    assert verdict(alike).evidence.gain is not None
    apart = report(cell(A, experiment(2.0, "gated"), bypass=0.03), cell(B, experiment(1.0), bypass=0.03))
    assert verdict(apart).evidence.gain is None


def test_without_a_residual_the_bypassed_stack_is_no_evidence() -> None:
    found = report(cell(A, experiment(2.0, "none"), bypass=0.2), cell(B, experiment(1.0, "none"), bypass=0.2))
    assert verdict(found).kind == "UNRESOLVED"
    assert verdict(found).evidence.contribution is None
    assert "an input it never saw" in found.notes[-1]
    with_control = report(
        cell(A, experiment(2.0, "none"), r=0.2),
        cell(B, experiment(1.0, "none")),
        control("no_stack", A, experiment(2.0, "none"), 0.1),
    )
    assert verdict(with_control).kind == "REAL"
    assert verdict(with_control).sentence.startswith("trained minus no stack +.1")


def test_the_frozen_stack_is_the_control_where_both_were_trained() -> None:
    a = experiment(2.0)
    found = report(
        cell(A, a, r=0.18),
        cell(B, experiment(1.0)),
        control("no_stack", A, a, 0.05),
        control("frozen_stack", A, a, 0.15),
    )
    assert "trained minus frozen stack +.03" in verdict(found).sentence


def test_a_control_is_known_by_what_it_declares() -> None:
    a = experiment(2.0)
    frozen = [replace(each, cell="some other name") for each in control("frozen_stack", A, a, 0.15)]
    assert verdict(report(cell(A, a, r=0.18), cell(B, experiment(1.0)), frozen)).kind == "REAL"


def test_the_smallest_effect_of_interest_is_the_declared_one() -> None:
    a = experiment(2.0)
    arms = (cell(A, a, r=0.18), cell(B, experiment(1.0)), control("frozen_stack", A, a, 0.15))
    assert verdict(report(*arms, analysis=Analysis(sesoi=0.02))).kind == "REAL"
    assert verdict(report(*arms, analysis=Analysis(sesoi=0.05))).kind != "REAL"


def test_an_unfinished_cell_and_an_unknown_one_are_named() -> None:
    with pytest.raises(NotFoundError, match=f"did you mean '{A}'"):
        diagnose_mechanism(cell(A, experiment(2.0)), study="s", treatment="gradient_scale=2", reference=A)
    failed = [replace(each, status="failed") for each in cell(B, experiment(1.0))]
    with pytest.raises(NotFoundError, match="has no finished run"):
        report(cell(A, experiment(2.0)), failed)


def test_groups_stand_front_to_rear_with_the_stack_first() -> None:
    found = report(cell(A, experiment(2.0)), cell(B, experiment(1.0)))
    assert [each.evidence.group for each in found.verdicts] == [
        "layer_stack", "front_end", "layer_stack.0", "head",
    ]  # fmt: skip


def test_nothing_known_is_unresolved() -> None:
    assert decide(Evidence("head", 5), 0.01) == "UNRESOLVED"


def test_the_factor_of_change_is_the_middle_of_its_interval() -> None:
    # One seed of ten times the size: the ratio of the means, 1.9, lies outside the interval.
    assert Change(reference=1.0, treatment=1.9, low=0.9, high=1.6).factor == pytest.approx(1.2)
