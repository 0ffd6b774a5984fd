"""Is the candidate at most a margin worse than the baseline? Three answers, over subjects and seeds.

With d = candidate - baseline, paired by subject and seed, and the crossed quasi-t's interval whose limits
each err with probability alpha: PASS where the lower limit is above -margin, FAIL where the upper limit is
below -margin, else INCONCLUSIVE. A true loss of exactly the margin is passed, and failed, with probability
alpha at most.
"""

from __future__ import annotations

from collections.abc import Sequence

from ablab.comparison import figures
from ablab.comparison.mean_test import mean_test
from ablab.comparison.table import Paired, matrices, paired, tidy
from ablab.comparison.values import ModelScope
from ablab.regression.values import BASELINE, CANDIDATE, CheckResult, Finding, Measured

LEAST_SEEDS = 3
"""With two seeds a quasi-t has one degree of freedom, and its interval is wider than any margin."""


def pairs(baseline: Sequence[Measured], candidate: Sequence[Measured], metric: str) -> Paired:
    """Candidate minus baseline where both have the seed."""
    scores = matrices(tidy([*baseline, *candidate], metric), (BASELINE, CANDIDATE))
    return paired(scores[CANDIDATE], scores[BASELINE])


def noninferiority(
    metric: str,
    margin: float,
    baseline: Sequence[Measured],
    candidate: Sequence[Measured],
    *,
    alpha: float,
    scope: ModelScope,
) -> CheckResult:
    """The check of one metric; ``alpha`` is one-sided."""
    found = pairs(baseline, candidate, metric)
    n_subjects, n_seeds = found.differences.shape
    test = mean_test(found.differences, 2 * alpha, scope)
    means = _means(baseline, candidate, metric, found)

    def result(finding: Finding, reason: str, *, sampled: bool = False) -> CheckResult:
        return CheckResult(
            metric, finding, reason, *means, test.mean, test.ci_low, test.ci_high, margin, sampled
        )

    size = f"{figures.plural(n_subjects, 'subject')} x {figures.plural(n_seeds, 'seed')}"
    if n_seeds < LEAST_SEEDS:
        return result(
            "INCONCLUSIVE",
            f"{size}: fewer than {LEAST_SEEDS} seeds show too little of how much trainings differ",
            sampled=True,
        )
    if n_subjects and not found.differences.any():
        return result("PASS", f"every difference is exactly zero ({size})")
    if test.ci_low is None or test.ci_high is None:
        return result("INCONCLUSIVE", f"{size}: {test.refused}")
    interval = (
        f"{figures.signed(test.mean)}, {figures.percent(1 - 2 * alpha)} CI "
        f"{figures.interval(test.ci_low, test.ci_high, 4)} ({size}, {test.name})"
    )
    limit = figures.signed(-margin)
    if test.ci_low > -margin:
        return result("PASS", f"{interval} lies above the margin {limit}")
    if test.ci_high < -margin:
        return result("FAIL", f"fell by more than the margin: {interval} lies below {limit}")
    return result("INCONCLUSIVE", f"{interval} holds the margin {limit}", sampled=True)


def _means(
    baseline: Sequence[Measured], candidate: Sequence[Measured], metric: str, found: Paired
) -> tuple[float | None, float | None]:
    """Mean of both arms over the subjects and seeds that were compared."""
    if not found.differences.size:
        return None, None
    scores = matrices(tidy([*baseline, *candidate], metric), (BASELINE, CANDIDATE))
    subjects, seeds = list(found.subjects), list(found.seeds)
    base, cand = (float(scores[arm].loc[subjects, seeds].to_numpy().mean()) for arm in (BASELINE, CANDIDATE))
    return base, cand
