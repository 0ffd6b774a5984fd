"""Is the candidate at most a margin worse than the baseline? Three answers, over subjects and seeds.

With d = candidate - baseline, paired by subject and seed, and the crossed quasi-t's interval whose limits
each err with probability alpha: PASS where the lower limit is above -margin, FAIL where the upper limit is
below -margin, else INCONCLUSIVE. A true loss of exactly the margin is passed, and failed, with probability
alpha at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablab.comparison import figures
from ablab.comparison.mean_test import mean_test
from ablab.comparison.table import Paired, matrices, paired, tidy
from ablab.comparison.values import ModelScope
from ablab.regression.values import BASELINE, CANDIDATE, CheckResult, Finding, Measured

LEAST_SEEDS = 3
"""With two seeds a quasi-t has one degree of freedom, and its interval is wider than any margin."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """Candidate minus baseline over the subjects and seeds of both, and the mean of either there."""

    paired: Paired
    baseline: float | None
    candidate: float | None

    @property
    def is_identical(self) -> bool:
        """Whether something was compared, and every difference is exactly zero."""
        return self.paired.differences.size > 0 and not self.paired.differences.any()


def contrast(baseline: Sequence[Measured], candidate: Sequence[Measured], metric: str) -> Contrast:
    """What both arms have in common under one metric."""
    scores = matrices(tidy([*baseline, *candidate], metric), (BASELINE, CANDIDATE))
    found = paired(scores[CANDIDATE], scores[BASELINE])
    if not found.differences.size:
        return Contrast(found, None, None)
    subjects, seeds = list(found.subjects), list(found.seeds)
    before, now = (float(scores[arm].loc[subjects, seeds].to_numpy().mean()) for arm in (BASELINE, CANDIDATE))
    return Contrast(found, before, now)


def noninferiority(
    metric: str, margin: float, found: Contrast, *, alpha: float, scope: ModelScope
) -> CheckResult:
    """The check of one metric; ``alpha`` is one-sided."""
    n_subjects, n_seeds = found.paired.differences.shape
    test = mean_test(found.paired.differences, 2 * alpha, scope)

    def result(finding: Finding, reason: str, *, sampled: bool = False) -> CheckResult:
        return CheckResult(
            metric,
            finding,
            reason,
            baseline=found.baseline,
            candidate=found.candidate,
            delta=test.mean,
            ci_low=test.ci_low,
            ci_high=test.ci_high,
            margin=margin,
            sampled=sampled,
        )

    size = f"{figures.plural(n_subjects, 'subject')} x {figures.plural(n_seeds, 'seed')}"
    if n_seeds < LEAST_SEEDS:
        return result(
            "INCONCLUSIVE",
            f"{size}: fewer than {LEAST_SEEDS} seeds show too little of how much trainings differ",
            sampled=True,
        )
    if found.is_identical:
        return result("PASS", f"every difference is exactly zero ({size})")
    if test.ci_low is None or test.ci_high is None:
        return result("INCONCLUSIVE", f"{size}: {test.refused}")
    interval = (
        f"{figures.signed(test.mean)}, {figures.level(2 * alpha)} CI "
        f"{figures.interval(test.ci_low, test.ci_high, 4)} ({size}, {test.name})"
    )
    limit = figures.signed(-margin)
    if test.ci_low > -margin:
        return result("PASS", f"{interval} lies above the margin {limit}")
    if test.ci_high < -margin:
        return result("FAIL", f"fell by more than the margin: {interval} lies below {limit}")
    return result("INCONCLUSIVE", f"{interval} holds the margin {limit}", sampled=True)
