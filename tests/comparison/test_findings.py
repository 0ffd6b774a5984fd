from __future__ import annotations

from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from tests.comparison.made_up import LEVELS, additive, all_cells, table
from tests.comparison.study import FULL, ORIGINAL, two_arms

from ablab.comparison.compare import compare
from ablab.comparison.convergence import CURVE
from ablab.comparison.findings import Findings, findings
from ablab.spec.grid import Analysis
from ablab.spec.record import RunRecord


def found_in(records: list[RunRecord], **more: object) -> Findings:
    options = {"reference": ORIGINAL, "treatment": FULL, "levels": LEVELS, "n_draws": 500, **more}
    return findings(records, study="s", **options)


def test_everything_of_a_full_factorial() -> None:
    records = table(additive)
    curves = {record.run_id: {CURVE: [(10, 0.1), (20, 0.2)]} for record in records}
    found = found_in(records, curves=curves)
    assert found.comparison == compare(records, study="s", reference=ORIGINAL, treatment=FULL)
    assert len(found.factorial.main) == len(found.factorial.interactions) == 3
    assert found.shapley is not None
    assert found.convergence is not None
    assert found.recommendation is not None
    assert found.variance == found.comparison.primary.effect.components
    assert len(found.sensitivity) == 4
    assert found.unsupported == ("no analysis by items: scores per recording were not read",)
    assert len(found.holm) == 11
    assert found.holm[FULL] >= found.comparison.primary.effect.test.p_value


def test_per_subject_rows_are_both_arms_and_chance() -> None:
    d = np.random.default_rng(0).normal(0.01, 0.01, (4, 5))
    found = found_in(two_arms(d))
    assert [row.subject for row in found.subjects] == [f"sub-{i:02}" for i in np.argsort(-d.mean(axis=1))]
    first = found.subjects[0]
    assert first.difference == pytest.approx(d.mean(axis=1).max())
    assert first.treatment - first.reference == pytest.approx(first.difference)
    assert len(first.difference_by_seed) == 5
    assert (first.chance_p95, first.above_chance) == (0.04, pytest.approx(first.treatment))


def test_what_cannot_be_said_is_said() -> None:
    found = found_in(two_arms(np.full((4, 5), 0.01)))
    assert found.shapley is None
    assert found.factorial.main == ()
    assert "no convergence: the runs' curves were not read" in found.unsupported
    assert any(text.startswith("no Shapley shares: 6 of the 8 cells") for text in found.unsupported)
    assert any(text.startswith("no effect of residual, mlp_head") for text in found.unsupported)


def test_a_failed_cell_leaves_what_the_others_support() -> None:
    records = [
        replace(r, status="failed", subjects=(), metrics={}, error="NaN") if r.cell == FULL else r
        for r in table(additive)
    ]
    found = found_in(records)
    assert found.sensitivity == found.subjects == ()
    assert found.shapley is None
    assert len(found.factorial.main) == 3
    assert any("averaged over 3 of 4 combinations" in text for text in found.unsupported)
    assert {entry.reason for entry in found.comparison.excluded if entry.cell == FULL} == {"failed: NaN"}


def test_levels_without_a_declaration_are_those_of_the_runs() -> None:
    found = found_in(list(reversed(table(additive))), levels=None)
    assert {effect.name for effect in found.factorial.main} == {"residual", "mlp_head", "gradient_scale"}
    (scale,) = next(e for e in found.factorial.main if e.name == "gradient_scale").contrasts
    assert scale.name == "gs2 against gs1"
    assert next(e for e in found.factorial.main if e.name == "residual").full.name == "gated against none"


def test_a_metric_without_subjects_has_effects_over_seeds() -> None:
    found = found_in(table(additive), metric="train/loss")
    contrast = found.factorial.main[0].contrasts[0]
    assert contrast.effect.test.name == "paired t-test over seeds"
    assert contrast.verdict.kind in ("higher", "lower", "inconclusive")
    assert found.recommendation is None
    assert "no recommendation: the metric has no smallest effect of interest" in found.unsupported
    assert "no analysis by items: it is of test r" in found.unsupported
    assert [line.name for line in found.sensitivity] == ["Wilcoxon signed-rank test over seeds"]


def test_models_per_subject_are_tested_over_subjects() -> None:
    found = found_in(table(additive), analysis=Analysis(model_scope="per_subject"))
    names = {c.effect.test.name for effect in found.factorial.main for c in effect.contrasts}
    assert names == {"paired t-test over subjects"}
    assert found.shapley.total.name == "paired t-test over subjects"


def test_sixty_runs_of_85_subjects_with_ten_thousand_draws_take_a_few_seconds() -> None:
    records = table(additive, n_subjects=85, seeds=range(5))
    assert len(records) == 60 == len(all_cells()) * 5
    began = process_time()
    found_in(records, n_draws=10_000)
    assert process_time() - began < 10
