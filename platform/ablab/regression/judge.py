"""Baseline and candidate -> what every check finds. Pure: knows no store, no clock, no terminal."""

from __future__ import annotations

from ablab.regression.curves import curve_check
from ablab.regression.noninferiority import Contrast, contrast, noninferiority
from ablab.regression.quotients import OF_THE_MACHINE, quotient_checks
from ablab.regression.values import Baseline, Candidate, CheckResult, Judgement, Measured
from ablab.spec.identity import NOT_IDENTITY, flatten
from ablab.spec.regression import Regression


def judge(
    regression: Regression, baseline: Baseline, candidate: Candidate, *, look: int, alpha: float
) -> Judgement:
    """Every check of one look; ``alpha`` is one-sided and this look's own."""
    found = [*_training(candidate), _data(baseline, candidate)]
    contrasts: dict[str, Contrast] = {}
    for check in regression.checks:
        if check.margin is not None:
            own = contrasts[check.metric] = contrast(baseline.runs, candidate.runs, check.metric)
            found.append(
                noninferiority(check.metric, check.margin, own, alpha=alpha, scope=regression.model_scope)
            )
        elif candidate.runs:
            found += quotient_checks(check, baseline.runs, candidate.runs)
    if regression.learning_curve is not None:
        found.append(curve_check(regression.learning_curve, baseline.runs, candidate.runs))
    if regression.determinism:
        found.append(_determinism(candidate))
    primary = contrasts[regression.primary.metric].paired
    return Judgement(
        checks=tuple(found),
        primary=regression.primary.metric,
        identical=all(each.is_identical for each in contrasts.values()),
        n_seeds=len(primary.seeds),
        n_subjects=len(primary.subjects),
        look=look,
        alpha=alpha,
        notes=(*spec_notes(baseline, candidate), *_lost(primary.lost_subjects)),
    )


def spec_notes(baseline: Baseline, candidate: Candidate) -> tuple[str, ...]:
    """Keys in which the candidate's spec differs from the baseline's: not a change of code."""
    before, now = flatten(baseline.experiment), flatten(candidate.experiment)
    differing = [
        key
        for key in dict.fromkeys((*before, *now))
        if key not in NOT_IDENTITY and before.get(key) != now.get(key)
    ]
    return tuple(
        f"the spec differs from the baseline's: {key} is {now.get(key)}, was {before.get(key)}"
        for key in differing
    )


def _training(candidate: Candidate) -> list[CheckResult]:
    if not candidate.failures:
        return []
    return [CheckResult("training", "FAIL", f"a trial failed: {each}") for each in candidate.failures]


def _data(baseline: Baseline, candidate: Candidate) -> CheckResult:
    before, now = baseline.data_fingerprint, candidate.data_fingerprint
    if before == now:
        return CheckResult("data", "PASS", f"fingerprint unchanged: {now[:12]}")
    return CheckResult(
        "data", "FAIL", f"the data are not those of the baseline: fingerprint {now[:12]}, was {before[:12]}"
    )


def _determinism(candidate: Candidate) -> CheckResult:
    name = "determinism"
    if not candidate.device.startswith("cpu"):
        return CheckResult(name, "SKIPPED", f"the same bits are promised on a CPU, not on {candidate.device}")
    repeat = candidate.repeat
    first = next((run for run in candidate.runs if repeat is not None and run.seed == repeat.seed), None)
    if repeat is None or first is None:
        return CheckResult(name, "INCONCLUSIVE", "the first seed was not trained twice")
    differing = _differing(first, repeat)
    if candidate.same_predictions is False:
        differing.insert(0, "test predictions")
    if differing:
        more = f" and {len(differing) - 4} more" if len(differing) > 4 else ""
        reason = f"seed {repeat.seed} trained twice differs in {', '.join(differing[:4])}{more}"
        return CheckResult(name, "FAIL", reason)
    return CheckResult(name, "PASS", f"seed {repeat.seed} trained twice gives the same bits")


def _differing(one: Measured, other: Measured) -> list[str]:
    """Names of what differs, machine-dependent metrics left out."""
    found = [] if one.subjects == other.subjects else ["scores per subject"]
    for ours, theirs, kind in ((one.metrics, other.metrics, ""), (one.curves, other.curves, "curve of ")):
        keys = sorted({*ours, *theirs})
        found += [
            f"{kind}{key}"
            for key in keys
            if not key.startswith(OF_THE_MACHINE) and ours.get(key) != theirs.get(key)
        ]
    return found


def _lost(subjects: tuple[str, ...]) -> tuple[str, ...]:
    if not subjects:
        return ()
    return (f"{len(subjects)} subjects are not scored in both arms and left out: {', '.join(subjects[:6])}",)
