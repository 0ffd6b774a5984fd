"""Comparison -> what the tracking store shows of each cell in its one summary run."""

from __future__ import annotations

from ablab.comparison.values import Comparison, Row
from ablab.tracking.store import CellSummary


def cell_summaries(comparison: Comparison) -> tuple[CellSummary, ...]:
    """Mean, SD, interval and counts of every cell that has a score, as metrics named after the metric."""
    return tuple(
        CellSummary(
            cell=row.cell, label=row.label, factors=row.factors, metrics=_metrics(comparison.metric, row)
        )
        for row in comparison.rows
        if row.n_seeds
    )


def _metrics(metric: str, row: Row) -> dict[str, float]:
    values: dict[str, float | None] = {
        metric: row.own.mean,
        f"{metric}_sd": row.sd_seeds,
        f"{metric}_ci_low": row.own.ci_low,
        f"{metric}_ci_high": row.own.ci_high,
        "seeds": row.n_seeds,
        "subjects": row.n_subjects,
        "gradient/ratio": row.gradient_ratio,
        "weights/front_change": row.drift,
        "model/parameters": row.parameters,
        "seconds": row.seconds,
    }
    if row.effect is not None:
        test = row.effect.test
        values |= {
            f"{metric}_delta": test.mean,
            f"{metric}_delta_ci_low": test.ci_low,
            f"{metric}_delta_ci_high": test.ci_high,
            f"{metric}_delta_p": test.p_value,
        }
    return {name: float(value) for name, value in values.items() if value is not None}
