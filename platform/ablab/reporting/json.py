"""Comparison -> JSON: one object, as docs/json/compare.json describes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ablab.comparison import verdicts
from ablab.comparison.values import Comparison
from ablab.reporting.claims import claims_object
from ablab.reporting.rows import flat_row


def as_object(comparison: Comparison) -> dict[str, Any]:
    """The whole comparison as plain values; keys may be added, never renamed."""
    primary = comparison.primary
    return {
        "study": comparison.study,
        "metric": comparison.metric,
        "baseline": comparison.baseline,
        "treatment": comparison.treatment,
        "headline": verdicts.headline(comparison),
        "confirmatory": primary is not None and not primary.verdict.exploratory,
        "simulated": comparison.simulated,
        "accepted_leakage": list(comparison.accepted_leakage),
        "alpha": comparison.alpha,
        "sesoi": comparison.sesoi,
        "model_scope": comparison.model_scope,
        "floor": comparison.floor,
        "chance": comparison.chance,
        "chance_by_subject": [asdict(each) for each in comparison.chance_by_subject],
        "placebos": _placebos(comparison),
        "claims": None if comparison.claims is None else claims_object(comparison.claims),
        "scope": dict(verdicts.scope(comparison)),
        "rows": [{**flat_row(row), "factors": dict(row.factors)} for row in comparison.rows],
        "excluded": [asdict(entry) for entry in comparison.excluded],
        "notes": list(comparison.notes),
    }


def _placebos(comparison: Comparison) -> dict[str, Any] | None:
    """The platform's own false positives; null without placebo arms."""
    if not comparison.placebos:
        return None
    arms = [
        {
            "placebo": arm.kind,
            "cell": arm.cell,
            "against": arm.against,
            "delta": arm.effect.test.mean,
            "ci_low": arm.effect.test.ci_low,
            "ci_high": arm.effect.test.ci_high,
            "p_value": arm.effect.test.p_value,
            "verdict": arm.verdict,
            "runs_above_chance": None if arm.above_chance is None else arm.above_chance[0],
            "runs": None if arm.above_chance is None else arm.above_chance[1],
        }
        for arm in comparison.placebos
    ]
    return {
        "false_positives": sum(arm.false_positive for arm in comparison.placebos),
        "tested": sum(arm.verdict != "not tested" for arm in comparison.placebos),
        "arms": arms,
    }
