"""Quantities held against the baseline's own: quotients of means over seeds, and equality."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from statistics import fmean

from ablab.regression.values import CheckResult, Measured
from ablab.spec.regression import Check

OF_THE_MACHINE = ("throughput/", "memory/", "seconds")
"""Beginnings of metrics that say as much about the machine as about the code."""


def names(pattern: str, runs: Iterable[Measured]) -> tuple[str, ...]:
    """Metrics of any of the runs that a check's ``metric`` stands for, sorted."""
    return tuple(sorted({name for run in runs for name in run.metrics if fnmatchcase(name, pattern)}))


def quotient_checks(
    check: Check, baseline: Sequence[Measured], candidate: Sequence[Measured]
) -> list[CheckResult]:
    """One result per metric that the check stands for and the baseline has."""
    return [_one(check, name, baseline, candidate) for name in names(check.metric, baseline)]


def _one(check: Check, name: str, baseline: Sequence[Measured], candidate: Sequence[Measured]) -> CheckResult:
    seeds = {run.seed for run in candidate}
    hosts = tuple(
        ", ".join(sorted({run.host for run in runs if run.seed in seeds})) for runs in (baseline, candidate)
    )
    before = _mean(name, [run for run in baseline if run.seed in seeds])
    now = _mean(name, candidate)
    if before is None:
        return CheckResult(name, "SKIPPED", "the baseline's runs of these seeds have no such value")
    if now is None:
        return CheckResult(name, "FAIL", "the candidate has no such value, the baseline has", before)
    values = f"{now:.4g} against {before:.4g}"
    if name.startswith(OF_THE_MACHINE) and hosts[0] != hosts[1]:
        reason = f"{values}, on other machines: baseline on {hosts[0]}, candidate on {hosts[1]}"
        return CheckResult(name, "SKIPPED", reason, before, now)
    if check.equal:
        if now == before:
            return CheckResult(name, "PASS", f"equal: {now:.12g}", before, now)
        return CheckResult(name, "FAIL", f"differs: {now:.12g} against {before:.12g}", before, now)
    return _bounded(check, name, before, now, values)


def _bounded(check: Check, name: str, before: float, now: float, values: str) -> CheckResult:
    if before < 0:
        return CheckResult(
            name, "INCONCLUSIVE", f"{values}: a quotient needs a positive baseline", before, now
        )
    quotient = now / before if before else 1.0 if now == 0 else math.inf
    text = f"{quotient:.3g} times the baseline's ({values})"
    if check.at_least is not None and quotient < check.at_least:
        return CheckResult(name, "FAIL", f"fell to {text}; at least {check.at_least:g} is asked", before, now)
    if check.at_most is not None and quotient > check.at_most:
        return CheckResult(name, "FAIL", f"rose to {text}; at most {check.at_most:g} is allowed", before, now)
    return CheckResult(name, "PASS", text, before, now)


def _mean(name: str, runs: Sequence[Measured]) -> float | None:
    values = [run.metrics[name] for run in runs if name in run.metrics]
    return fmean(values) if values else None
