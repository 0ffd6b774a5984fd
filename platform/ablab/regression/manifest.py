"""A baseline as the JSON text that the model registry keeps, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from ablab.errors import StoreError
from ablab.regression.values import BASELINE, Baseline, Measured
from ablab.spec.experiment import Experiment
from ablab.spec.model import RECORDED
from ablab.spec.record import SubjectScore
from ablab.tracking.baselines import Version

FORMAT = 1
"""Rises when an older ablab could no longer read what a newer one writes."""


def write(baseline: Baseline) -> str:
    """The manifest: every run with its per-subject table, metrics and curves, the spec, the origin."""
    facts = {
        "format": FORMAT,
        "name": baseline.name,
        "study": baseline.study,
        "cell": baseline.cell,
        "label": baseline.label,
        "experiment": baseline.experiment.model_dump(mode="json"),
        "data_fingerprint": baseline.data_fingerprint,
        "code_fingerprint": baseline.code_fingerprint,
        "environment": dict(baseline.environment),
        "who": baseline.who,
        "when": baseline.when,
        "why": baseline.why,
        "runs": [_run(run) for run in baseline.runs],
    }
    return json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read(text: str, version: Version) -> Baseline:
    """The baseline in a manifest; StoreError where it is damaged or of a newer format."""
    try:
        facts: Mapping[str, Any] = json.loads(text)
        if facts["format"] > FORMAT:
            raise ValueError(f"it is of format {facts['format']}, this version reads up to {FORMAT}")
        experiment = Experiment.model_validate_json(json.dumps(facts["experiment"]), context=RECORDED)
        plain = ("name", "study", "cell", "label", "data_fingerprint", "code_fingerprint")
        return Baseline(
            **{name: str(facts[name]) for name in (*plain, "who", "when", "why")},
            experiment=experiment,
            environment=dict(facts["environment"]),
            runs=tuple(_measured(run) for run in facts["runs"]),
            version=version.version,
        )
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise StoreError(
            f"baseline {version.name} version {version.version} cannot be read "
            f"({str(error).splitlines()[0]}); promote the runs again"
        ) from error


def _run(run: Measured) -> dict[str, Any]:
    facts = asdict(run)
    del facts["cell"]
    return facts


def _measured(facts: Mapping[str, Any]) -> Measured:
    return Measured(
        cell=BASELINE,
        run_id=facts["run_id"],
        key=facts["key"],
        seed=facts["seed"],
        host=facts["host"],
        metrics=dict(facts["metrics"]),
        subjects=tuple(SubjectScore(**score) for score in facts["subjects"]),
        curves={
            name: tuple((step, value) for step, value in points) for name, points in facts["curves"].items()
        },
    )
