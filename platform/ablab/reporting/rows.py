"""One cell's row as plain values, the same under the same names for CSV and JSON."""

from __future__ import annotations

from collections.abc import Mapping

from ablab.comparison import verdicts
from ablab.comparison.values import Effect, MeanTest, Row

Value = str | int | float | bool | None

_NO_EFFECT = Effect(test=MeanTest(mean=None), n_subjects=0, n_seeds=0)


def flat_row(row: Row) -> Mapping[str, Value]:
    """All of a row but its factors, at full precision; None where there is nothing."""
    effect = row.effect or _NO_EFFECT
    test, parts = effect.test, effect.components
    return {
        "cell": row.cell,
        "label": row.label,
        "n_seeds": row.n_seeds,
        "n_subjects": row.n_subjects,
        "mean": row.own.mean,
        "mean_ci_low": row.own.ci_low,
        "mean_ci_high": row.own.ci_high,
        "sd_seeds": row.sd_seeds,
        "delta": test.mean,
        "ci_low": test.ci_low,
        "ci_high": test.ci_high,
        "p_value": test.p_value,
        "verdict": verdicts.label(row.verdict),
        "exploratory": None if row.effect is None else row.verdict.exploratory,
        "test": test.name,
        "refused": test.refused,
        "standard_error": test.standard_error,
        "df": test.df,
        "equivalence_low": test.equivalence_low,
        "equivalence_high": test.equivalence_high,
        "paired_seeds": effect.n_seeds,
        "paired_subjects": effect.n_subjects,
        "d_z": effect.d_z,
        "share_improved": effect.share_improved,
        "share_low": effect.share_low,
        "share_high": effect.share_high,
        "superiority": effect.superiority,
        "sd_by_subject": parts.sd_subject if parts else None,
        "sd_by_seed": parts.sd_seed if parts else None,
        "sd_residual": parts.sd_residual if parts else None,
        "seeds_needed": effect.seeds_needed,
        "gradient_ratio": row.gradient_ratio,
        "drift": row.drift,
        "parameters": row.parameters,
        "seconds": row.seconds,
        "below_floor": row.below_floor,
        "below_chance": row.below_chance,
    }
