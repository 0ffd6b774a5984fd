"""A gate as the store keeps it: one JSON object, flat tags and metrics for filters and charts, files."""

from __future__ import annotations

import json
from typing import Any

from ablab.regression import junit, markdown
from ablab.regression.values import Gate

NAME_JSON, NAME_MARKDOWN, NAME_JUNIT = "gate.json", "gate.md", "gate.xml"


def as_object(gate: Gate) -> dict[str, Any]:
    """The object that ``regression run --json`` prints; its schema is ``docs/json/regression_run.json``."""
    first, judgement = gate.judgement.first, gate.judgement
    return {
        "verdict": gate.verdict,
        "identical": judgement.identical,
        "regression": gate.regression,
        "study": gate.study,
        "gate": gate.gate,
        "run_id": gate.run_id,
        "baseline": gate.baseline,
        "baseline_version": gate.version,
        "metric": first.name,
        "delta": first.delta,
        "ci": None if first.ci_low is None else [first.ci_low, first.ci_high],
        "margin": first.margin,
        "alpha": judgement.alpha,
        "look": judgement.look,
        "looks": gate.looks,
        "seeds": judgement.n_seeds,
        "subjects": judgement.n_subjects,
        "checks": [
            {
                "name": check.name,
                "verdict": check.finding,
                "reason": check.reason,
                "baseline": check.baseline,
                "candidate": check.candidate,
                "delta": check.delta,
                "ci": None if check.ci_low is None else [check.ci_low, check.ci_high],
                "margin": check.margin,
            }
            for check in judgement.checks
        ],
        "notes": list(judgement.notes),
        "began": gate.began,
        "seconds": round(gate.seconds, 3),
        "code_fingerprint": gate.candidate_code,
        "baseline_code_fingerprint": gate.baseline_code,
        "data_fingerprint": gate.data_fingerprint,
        "runs": list(gate.runs),
        "hook": gate.hook,
    }


def as_text(gate: Gate) -> str:
    """The object as JSON text; what is not finite is null."""
    return json.dumps(_finite(as_object(gate)), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def tags(gate: Gate) -> dict[str, str]:
    """Flat, so that MLflow filters: ``tags.verdict = 'FAIL'``."""
    failed = [check for check in gate.judgement.checks if check.finding == gate.verdict]
    return {
        "verdict": gate.verdict,
        "identical": "true" if gate.judgement.identical else "false",
        "code_fingerprint": gate.candidate_code,
        "data_fingerprint": gate.data_fingerprint,
        "seeds": str(gate.judgement.n_seeds),
        "look": str(gate.judgement.look),
        "reasons": "" if gate.verdict == "PASS" else "\n".join(f"{c.name}: {c.reason}" for c in failed),
        "hook": gate.hook or "",
        "mlflow.note.content": markdown.render(gate),
        "mlflow.runName": f"{gate.verdict} {gate.gate}",
    }


def metrics(gate: Gate) -> dict[str, float]:
    """What a chart over the nights shows; of every check the candidate's value."""
    first = gate.judgement.first
    values: dict[str, float | None] = {
        "gate/delta": first.delta,
        "gate/ci_low": first.ci_low,
        "gate/ci_high": first.ci_high,
        "gate/margin": first.margin,
        "gate/baseline": gate.baseline_mean,
        "gate/candidate": gate.candidate_mean,
        "gate/seconds": gate.seconds,
    }
    values |= {check.name: check.candidate for check in gate.judgement.checks if "/" in check.name}
    return {name: float(value) for name, value in values.items() if value is not None}


def files(gate: Gate) -> dict[str, str]:
    """Name -> text of the gate's artifacts."""
    return {
        NAME_JSON: as_text(gate),
        NAME_MARKDOWN: markdown.render(gate),
        NAME_JUNIT: junit.render(gate),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value
