"""Section: where the uncertainty comes from, and what more seeds or subjects would buy."""

from __future__ import annotations

import math

from ablab.comparison import figures, verdicts
from ablab.comparison.power import detectable
from ablab.comparison.study_report import StudyReport
from ablab.comparison.variance import Components, Source
from ablab.reporting import numbers
from ablab.reporting.plots import courses as plots
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.parts import numbers as number_columns
from ablab.reporting.study.parts import words as word_columns

SEEDS = (3, 5, 8, 10, 15, 20, 30)
"""Numbers of seeds that the table answers for."""

_NEARLY_ALL = 0.8
"""Share of the variance from which on the other sources are not worth narrowing."""

_NAMES: dict[Source, str] = {"subjects": "subject", "seeds": "seed", "residual": "residual"}


def variance_budget(report: StudyReport) -> Section:
    """Standard deviations by source, their shares, and the effect that a number of seeds detects."""
    title = "Variance budget, and what more seeds would buy"
    comparison = report.comparison
    effect = comparison.primary.effect if comparison.primary else None
    if effect is None or effect.components is None:
        return Section("variance", title, ("Not known: it takes two subjects and two seeds in both arms.",))
    parts, n_subjects, n_seeds = effect.components, effect.n_subjects, effect.n_seeds
    shares = parts.shares(n_subjects, n_seeds)
    sds = {"subjects": parts.sd_subject, "seeds": parts.sd_seed, "residual": parts.sd_residual}
    budget = Table(
        "variance",
        "What makes the declared difference vary",
        (*word_columns("source"), *number_columns("SD", "share of the interval's variance")),
        tuple(
            (_NAMES[source], numbers.plain(sds[source]), figures.percent(shares[source])) for source in _NAMES
        ),
        note="Variance components of the paired differences, by moments; a negative estimate counts as zero.",
    )
    text = _sentence(parts, n_subjects, n_seeds)
    if needed := verdicts.needed(effect, comparison):
        text += f" {needed[0].upper()}{needed[1:]}."
    found = {k: _detectable(parts, n_subjects, k, comparison.alpha) for k in sorted({*SEEDS, n_seeds})}
    if n_seeds < 2 or not any(found.values()):
        return Section("variance", title, (text,), (), (budget,), is_open=True)
    double = {k: _detectable(parts, 2 * n_subjects, k, comparison.alpha) for k in found}
    power = Table(
        "seeds",
        "Smallest difference found with 80 % power",
        (*word_columns("seeds"), *number_columns(f"{n_subjects} subjects", f"{2 * n_subjects} subjects")),
        tuple(
            (f"{k} (now)" if k == n_seeds else str(k), numbers.plain(found[k]), numbers.plain(double[k]))
            for k in found
        ),
        note="At the variances measured here, two-sided at the declared alpha.",
        marked=frozenset({list(found).index(n_seeds)}),
    )
    seeds = list(range(3, SEEDS[-1] + 1))
    plot = plots.courses(
        [
            plots.Course(
                f"{n_subjects} subjects",
                seeds,
                [_detectable(parts, n_subjects, k, comparison.alpha) or 0.0 for k in seeds],
                kind="main",
            ),
            plots.Course(
                f"{2 * n_subjects} subjects",
                seeds,
                [_detectable(parts, 2 * n_subjects, k, comparison.alpha) or 0.0 for k in seeds],
                kind="reference",
            ),
        ],
        name="seeds",
        title="Smallest difference found with 80 % power, by seeds",
        description="It falls with the number of seeds; the numbers stand in the table beneath.",
        x_axis="seeds per cell",
        y_axis="detectable difference",
        height=280,
    )
    return Section("variance", title, (text,), (plot,), (budget, power))


def _sentence(parts: Components, n_subjects: int, n_seeds: int) -> str:
    limiting = parts.limiting(n_subjects, n_seeds)
    if limiting is None:
        return "Nothing varies."
    share = parts.shares(n_subjects, n_seeds)[limiting]
    other = {"seeds": "subjects", "subjects": "seeds"}.get(limiting)
    if other is None:
        advice = "More seeds and more subjects both narrow it."
    elif share >= _NEARLY_ALL:
        advice = f"More {limiting} narrow it; more {other} hardly do."
    else:
        advice = f"More {limiting} narrow it most."
    source = "subject-by-seed residual" if limiting == "residual" else limiting
    return f"{figures.percent(share)} of the interval's variance comes from the {source}. {advice}"


def _detectable(parts: Components, n_subjects: int, n_seeds: int, alpha: float) -> float | None:
    """None where no test would be made."""
    found = detectable(parts.sd_subject, parts.sd_seed, parts.sd_residual, n_subjects, n_seeds, alpha)
    return found if math.isfinite(found) else None
