"""Section: main effects, two-way interactions, and each factor alone and last."""

from __future__ import annotations

from collections.abc import Sequence

from ablab.comparison import figures, verdicts
from ablab.comparison.factorial.effects import Contrast, FactorialEffect, OneFactor
from ablab.comparison.study_report import StudyReport
from ablab.comparison.values import Effect
from ablab.reporting import numbers
from ablab.reporting.plots.intervals import Row, Rule, intervals
from ablab.reporting.plots.svg import Plot
from ablab.reporting.study.answer import metric_name
from ablab.reporting.study.parts import Section, Table
from ablab.reporting.study.parts import numbers as number_columns
from ablab.reporting.study.parts import words as word_columns

MOST_PLOTTED = 40


def factorial_effects(report: StudyReport) -> Section:
    """What every factor does on average over the others, and how far it depends on them."""
    title = "Main effects and interactions"
    found = report.findings.factorial
    effects = [*found.main, *found.interactions]
    if not any(effect.contrasts for effect in effects):
        why = found.unsupported or ("the study's cells do not vary one factor at a time",)
        return Section("effects", title, (f"Not shown: {'; '.join(why)}.",))
    level = figures.level(report.comparison.alpha)
    text = [
        "Each contrast of levels, averaged over those combinations of the other factors' levels that were "
        f"trained with it (its backgrounds), with {level} interval. All of them are exploratory; p is "
        "adjusted by Holm within main effects and within interactions."
    ]
    disagreeing = [each.name for each in found.one_factor if each.interaction]
    if disagreeing:
        text.append(f"Added alone and left out last disagree, an interaction: {', '.join(disagreeing)}.")
    text += [f"{line[0].upper()}{line[1:]}." for line in found.unsupported]
    tables = [
        _contrasts("main-effects", "Main effects", found.main, level),
        _contrasts("interactions", "Two-way interactions", found.interactions, level),
        _alone(found.one_factor),
    ]
    return Section(
        "effects",
        title,
        tuple(text),
        (_plot(effects, report),),
        tuple(table for table in tables if table.rows),
    )


def _plot(effects: Sequence[FactorialEffect], report: StudyReport) -> Plot:
    rows = [_row(contrast.name, contrast) for effect in effects for contrast in effect.contrasts]
    metric, sesoi = metric_name(report.comparison), report.comparison.sesoi
    return intervals(
        rows[:MOST_PLOTTED],
        name="effects",
        title=f"Main effects and interactions in {metric}",
        description="One row per contrast of levels, main effects first; the numbers stand beneath.",
        axis=f"difference in {metric}",
        rules=[Rule(0.0, "", "zero")],
        band=None if sesoi is None else (-sesoi, sesoi),
        width=880,
        label_width=400,
    )


def _row(label: str, contrast: Contrast) -> Row:
    test = contrast.effect.test
    shown = f"{numbers.signed(test.mean, 3)} {numbers.interval(test.ci_low, test.ci_high, 3)}"
    clear = test.ci_low is not None and test.ci_high is not None and not test.ci_low <= 0 <= test.ci_high
    return Row(label, test.mean, test.ci_low, test.ci_high, shown, "main" if clear else "other")


def _contrasts(name: str, caption: str, effects: Sequence[FactorialEffect], level: str) -> Table:
    return Table(
        name,
        caption,
        (
            *word_columns("factor", "levels"),
            *number_columns("difference", f"{level} interval", "p", "p, Holm"),
            *word_columns("verdict"),
            *number_columns("backgrounds"),
        ),
        tuple(
            (
                effect.name,
                contrast.name,
                *_tested(contrast.effect),
                numbers.p_value(contrast.holm_p),
                verdicts.label(contrast.verdict),
                f"{contrast.n_backgrounds} of {contrast.n_possible}",
            )
            for effect in effects
            for contrast in effect.contrasts
        ),
        note="Backgrounds: combinations of the other factors' levels that the contrast is averaged over.",
    )


def _tested(effect: Effect) -> tuple[str, str, str]:
    test = effect.test
    return (
        numbers.signed(test.mean),
        numbers.interval(test.ci_low, test.ci_high),
        numbers.p_value(test.p_value),
    )


def _alone(factors: Sequence[OneFactor]) -> Table:
    return Table(
        "one-factor",
        "Each factor switched on alone, and switched off last",
        (
            *word_columns("factor"),
            *number_columns("added to the reference", "left out of the full cell", "left out minus added"),
            *word_columns("interaction"),
        ),
        tuple(
            (
                each.name,
                *(_with_interval(effect) for effect in (each.added_in, each.left_out, each.difference)),
                "yes" if each.interaction else "not shown" if each.difference else numbers.NONE,
            )
            for each in factors
            if each.added_in or each.left_out
        ),
        note="Gains of the factor's full level over its reference level.",
    )


def _with_interval(effect: Effect | None) -> str:
    if effect is None:
        return numbers.NONE
    test = effect.test
    return f"{numbers.signed(test.mean)} {numbers.interval(test.ci_low, test.ci_high)}"
