"""Every night of a gate or a baseline, oldest first, out of the log of gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ablab.comparison import figures
from ablab.errors import NotFoundError
from ablab.spec.record import Status
from ablab.tracking.gates import GateLog, GateRun

_NUMBERS = ("delta", "ci_low", "ci_high", "margin", "baseline", "candidate", "seconds")


@dataclass(frozen=True, slots=True)
class Night:
    """One gate as the history shows it; numbers are None where it did not end."""

    run_id: str
    gate: str
    regression: str
    study: str
    baseline: str
    version: int
    began: str
    """ISO 8601, UTC."""
    status: Status
    verdict: str | None
    """PASS, FAIL or INCONCLUSIVE; None where the gate was killed, failed, or is still running."""
    identical: bool
    reasons: tuple[str, ...]
    code_fingerprint: str
    seeds: int | None
    delta: float | None
    ci_low: float | None
    ci_high: float | None
    margin: float | None
    baseline_mean: float | None
    candidate_mean: float | None
    seconds: float | None


def history(name: str, gates: GateLog) -> tuple[Night, ...]:
    """All gates of the regression, or against the baseline, of this name.

    Raises NotFoundError, naming the nearest, where there was none.
    """
    found = gates.gates(name)
    if not found:
        known = gates.names()
        near = get_close_matches(name, known, n=1)
        hint = (
            f" (did you mean '{near[0]}'?)" if near else f"; there are: {', '.join(known)}" if known else ""
        )
        raise NotFoundError(f"{name}: no gate of this name has run{hint}; run one: ablab regression run FILE")
    return tuple(_night(run) for run in found)


def as_object(name: str, nights: Sequence[Night], plot: str | None) -> dict[str, Any]:
    """The object of ``regression history --json``; schema: ``docs/json/regression_history.json``."""
    return {
        "name": name,
        "plot": plot,
        "nights": [
            {
                "gate": night.gate,
                "run_id": night.run_id,
                "regression": night.regression,
                "study": night.study,
                "baseline": night.baseline,
                "baseline_version": night.version,
                "began": night.began,
                "status": night.status,
                "verdict": night.verdict,
                "identical": night.identical,
                "delta": night.delta,
                "ci": None if night.ci_low is None else [night.ci_low, night.ci_high],
                "margin": night.margin,
                "baseline_mean": night.baseline_mean,
                "candidate_mean": night.candidate_mean,
                "seeds": night.seeds,
                "seconds": night.seconds,
                "code_fingerprint": night.code_fingerprint,
                "reasons": list(night.reasons),
            }
            for night in nights
        ],
    }


def lines(nights: Sequence[Night]) -> list[str]:
    """A table, one line per night, with the first reason of each that did not pass."""
    studies = max(len(night.study) for night in nights)
    head = f"{'began (UTC)':<19}  {'verdict':<12}  {'delta':>9}  {'interval':<16}  {'r':>6}  seeds  v  "
    found = [f"{head}{'code':<8}  study"]
    for night in nights:
        shown = night.verdict or night.status
        delta = "same bits" if night.identical else figures.signed(night.delta)
        interval = "" if night.identical else figures.interval(night.ci_low, night.ci_high)
        found.append(
            f"{night.began[:19].replace('T', ' ')}  {shown:<12}  {delta:>9}  {interval:<16}  "
            f"{figures.plain(night.candidate_mean):>6}  {night.seeds or '-':>5}  {night.version}  "
            f"{night.code_fingerprint[:8]:<8}  {night.study:<{studies}}".rstrip()
        )
        found += [f"{'':<21}{reason}" for reason in night.reasons[:2]]
        if len(night.reasons) > 2:
            found.append(f"{'':<21}and {len(night.reasons) - 2} more: MLflow run {night.run_id[:8]}")
    return found


def _night(run: GateRun) -> Night:
    tags = run.tags
    numbers = {name: run.metrics.get(f"gate/{name}") for name in _NUMBERS}
    reasons = tags.get("reasons") or tags.get("error") or ""
    return Night(
        run_id=run.run_id,
        gate=tags.get("gate", ""),
        regression=tags.get("regression", ""),
        study=run.study,
        baseline=tags.get("baseline", ""),
        version=int(tags.get("baseline_version", 0)),
        began=tags.get("began", ""),
        status=run.status,
        verdict=tags.get("verdict") if run.status == "finished" else None,
        identical=tags.get("identical") == "true",
        reasons=tuple(line for line in reasons.splitlines() if line),
        code_fingerprint=tags.get("code_fingerprint", ""),
        seeds=int(tags["seeds"]) if tags.get("seeds") else None,
        delta=numbers["delta"],
        ci_low=numbers["ci_low"],
        ci_high=numbers["ci_high"],
        margin=numbers["margin"],
        baseline_mean=numbers["baseline"],
        candidate_mean=numbers["candidate"],
        seconds=numbers["seconds"],
    )
