"""The candidate's learning curve against the band of the baseline's seeds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from ablab.comparison import figures
from ablab.regression.values import CheckResult, Measured
from ablab.spec.regression import LearningCurve

NAME = "learning curve"


def curve_check(
    wanted: LearningCurve, baseline: Sequence[Measured], candidate: Sequence[Measured]
) -> CheckResult:
    """FAIL where the mean over the candidate's seeds runs below the band at any evaluation.

    The band reaches from ``margin`` below the lowest of the baseline's seeds upwards, at every step at which
    all runs of both were evaluated.
    """
    seeds = {run.seed for run in candidate}
    before = [dict(run.curves.get(wanted.metric, ())) for run in baseline if run.seed in seeds]
    now = [dict(run.curves.get(wanted.metric, ())) for run in candidate]
    curves = [*before, *now]
    steps = sorted(set.intersection(*(set(curve) for curve in curves))) if before and now else []
    if not steps:
        return CheckResult(NAME, "SKIPPED", f"no step at which {wanted.metric} is known of all runs of both")
    floor = {step: min(curve[step] for curve in before) - wanted.margin for step in steps}
    mean = {step: fmean(curve[step] for curve in now) for step in steps}
    below = [step for step in steps if mean[step] < floor[step]]
    last = steps[-1]
    if below:
        first = below[0]
        reason = (
            f"{wanted.metric} runs below the baseline's band at {len(below)} of {len(steps)} evaluations, "
            f"first at step {first}: {figures.plain(mean[first])}, band from {figures.plain(floor[first])}"
        )
        return CheckResult(NAME, "FAIL", reason, floor[first], mean[first], margin=wanted.margin)
    reason = f"{wanted.metric} stays in the baseline's band at all {figures.plural(len(steps), 'evaluation')}"
    return CheckResult(NAME, "PASS", reason, floor[last], mean[last], margin=wanted.margin)
