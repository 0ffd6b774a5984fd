"""Comparison -> JSON: one object, as docs/json/compare.json describes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ablab.comparison import verdicts
from ablab.comparison.values import Comparison
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
        "scope": dict(verdicts.scope(comparison)),
        "rows": [{**flat_row(row), "factors": dict(row.factors)} for row in comparison.rows],
        "excluded": [asdict(entry) for entry in comparison.excluded],
        "notes": list(comparison.notes),
    }
