"""Two runs side by side -> text for a terminal, and one JSON object (docs/json/compare_runs.json)."""

from __future__ import annotations

import textwrap
from typing import Any

from ablab.comparison import figures
from ablab.comparison.two_runs import TwoRuns
from ablab.comparison.verdicts import compact
from ablab.spec.record import RunRecord
from ablab.tracking.tags import level_text

WIDTH = 100
SHOWN = 12
"""Subjects listed before the rest is counted; ``--all`` lists all."""


def render(found: TwoRuns, *, everything: bool = False) -> str:
    """What two trained networks say of these subjects, and what they cannot say; no newline at the end."""
    test = found.over_subjects
    data = "SIMULATED data" if _simulated(found) else "real EEG"
    lines = [f"{found.metric}, {figures.plural(len(found.subjects), 'subject')}, one training each, {data}"]
    lines += [_run("first", found.first), _run("second", found.second)]
    rows = [("subject", "first", "second", "difference")]
    shown = found.subjects if everything else found.subjects[:SHOWN]
    rows += [
        (
            pair.subject,
            figures.plain(pair.first),
            figures.plain(pair.second),
            _difference(pair.second, pair.first),
        )
        for pair in shown
    ]
    means = [sum(scores) / len(found.subjects) for scores in _scores(found)]
    rows.append(("mean", figures.plain(means[0]), figures.plain(means[1]), figures.signed(test.mean)))
    lines += ["", *_columns(rows)]
    if hidden := len(found.subjects) - len(shown):
        lines.insert(-1, f"... {hidden} more: --all")
    lines.append("")
    for name, text in _beneath(found):
        lines += textwrap.wrap(f"{name:8}  {text}", WIDTH, subsequent_indent=" " * 10, break_on_hyphens=False)
    return "\n".join(lines)


def as_object(found: TwoRuns) -> dict[str, Any]:
    """The comparison as plain values; keys may be added, never renamed."""
    test = found.over_subjects
    return {
        "metric": found.metric,
        "first": _run_object(found.first),
        "second": _run_object(found.second),
        "simulated": _simulated(found),
        "subjects": [
            {"subject": pair.subject, "first": pair.first, "second": pair.second} for pair in found.subjects
        ],
        "difference": test.mean,
        "statistic": test.name,
        "ci_low": test.ci_low,
        "ci_high": test.ci_high,
        "p_value": test.p_value,
        "higher": found.higher,
        "differing": [
            {"key": key, "first": first, "second": second} for key, first, second in found.differing
        ],
        "refused": found.refused,
    }


def _beneath(found: TwoRuns) -> list[tuple[str, str]]:
    test = found.over_subjects
    level = figures.level(found.alpha)
    if test.name is None:
        says = f"difference {figures.signed(test.mean)}; not tested: {test.refused}"
    else:
        says = (
            f"these two networks on other subjects: {figures.signed(test.mean)}, {level} CI "
            f"{figures.interval(test.ci_low, test.ci_high, 4)}, p {figures.p(test.p_value)} ({test.name}); "
            f"the second is higher in {found.higher} of {len(found.subjects)} subjects"
        )
        if found.higher_low is not None and found.higher_high is not None:
            says += f" ({figures.percent(found.higher_low)} to {figures.percent(found.higher_high)})"
    keys = [f"{key} {level_text(first)} -> {level_text(second)}" for key, first, second in found.differing]
    seeds = f"seed {found.first.seed} -> {found.second.seed}"
    differ = [*keys, *([seeds] if found.first.seed != found.second.seed else [])]
    if found.first.code_fingerprint != found.second.code_fingerprint:
        differ.append("the code that they were trained with")
    return [
        ("says", says),
        ("cannot", "say anything about a method: another seed of either may turn it round"),
        ("refused", found.refused),
        ("differ", "; ".join(differ) or "in nothing: the same spec and seed"),
        ("next", f"ablab compare {found.second.study}"),
    ]


def _run(name: str, run: RunRecord) -> str:
    return f"{name:8}{run.key[:8]}  {compact(run.label)}  seed {run.seed}  of study {run.study}"


def _run_object(run: RunRecord) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "key": run.key,
        "study": run.study,
        "cell": run.cell,
        "label": run.label,
        "seed": run.seed,
    }


def _simulated(found: TwoRuns) -> bool:
    return found.first.experiment.dataset.kind == "simulated"


def _scores(found: TwoRuns) -> tuple[list[float], list[float]]:
    return [pair.first for pair in found.subjects], [pair.second for pair in found.subjects]


def _difference(ours: float, theirs: float) -> str:
    return figures.signed(ours - theirs)


def _columns(rows: list[tuple[str, str, str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(row[column].rjust(widths[column]) for column in (1, 2, 3))])
        for row in rows
    ]
