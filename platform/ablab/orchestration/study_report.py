"""A study -> what its report tells: the comparison, learning curves, mechanism, cost and provenance."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ablab.comparison.bootstrap import DRAWS
from ablab.comparison.claims_values import ClaimsReport
from ablab.comparison.convergence import CURVE
from ablab.comparison.mechanism import diagnose_mechanism
from ablab.comparison.mechanism_values import MechanismReport
from ablab.comparison.study_report import Cost, Course, Provenance, StudyReport
from ablab.comparison.values import Comparison, Row
from ablab.errors import AblabError, NotFoundError
from ablab.orchestration.declared import DeclaredAnalysis
from ablab.orchestration.study_claims import claims_of_records
from ablab.orchestration.study_comparison import StudyInputs, findings_of, study_inputs
from ablab.paths import Paths
from ablab.spec.claims_file import load_claims
from ablab.spec.grid import Analysis
from ablab.spec.record import RunRecord
from ablab.tracking.store import Curve, RunStore

ARTIFACTS = "report"
"""Folder of the study's artifacts that holds its report."""


def report_study(
    study: str,
    *,
    paths: Paths,
    store: RunStore,
    compute_floor: bool = False,
    claims: Path | None = None,
    n_draws: int = DRAWS,
) -> StudyReport:
    """All that a report of the study tells.

    compute_floor: fit the linear model where its result is not known yet; it takes seconds to minutes.
    claims: a ledger to hold the study against, instead of the one that its grid names. n_draws: of the
    bootstrap.

    Raises NotFoundError (study, nothing finished), MixedRecordsError, StoreError.
    """
    found = study_inputs(study, paths=paths, store=store, compute_floor=compute_floor)
    curves = store.courses(study, CURVE)
    absent: dict[str, str] = {}
    checked = _claims(found, claims, absent, store)
    told = findings_of(found, curves, store, n_draws=n_draws)
    comparison = replace(told.comparison, claims=checked)
    return StudyReport(
        findings=replace(told, comparison=comparison),
        records=found.records,
        courses=courses(comparison.rows, found.records, curves),
        mechanism=_mechanism(comparison, found, absent),
        cost=cost(comparison.rows, found.records),
        provenance=provenance(found, store.address),
        absent=absent,
    )


def keep(store: RunStore, study: str, folder: Path, files: Sequence[Path]) -> str | None:
    """Keep the report's files with the study; why not, where the store refuses."""
    by_folder: dict[str, list[Path]] = {}
    for file in files:
        inner = file.parent.relative_to(folder).as_posix()
        by_folder.setdefault(ARTIFACTS if inner == "." else f"{ARTIFACTS}/{inner}", []).append(file)
    try:
        for name, of_folder in by_folder.items():
            store.attach_to_study(study, of_folder, name)
    except AblabError as error:
        return str(error)
    return None


def courses(
    rows: Sequence[Row], records: Sequence[RunRecord], curves: Mapping[str, Curve]
) -> tuple[Course, ...]:
    """Mean and SD over seeds of each cell's curve, at the steps that all its finished runs have."""
    by_cell: dict[str, list[dict[int, float]]] = {}
    for record in records:
        if record.status == "finished" and record.run_id in curves:
            by_cell.setdefault(record.cell, []).append(dict(curves[record.run_id]))
    found = []
    for row in rows:
        runs = by_cell.get(row.cell, [])
        steps = sorted(set.intersection(*(set(run) for run in runs))) if runs else []
        if not steps:
            continue
        values = np.array([[run[step] for step in steps] for run in runs])
        sd = values.std(axis=0, ddof=1) if len(runs) > 1 else np.empty(0)
        mean = values.mean(axis=0)
        found.append(
            Course(row.cell, row.label, tuple(steps), tuple(mean.tolist()), tuple(sd.tolist()), len(runs))
        )
    return tuple(found)


def cost(rows: Sequence[Row], records: Sequence[RunRecord]) -> Cost:
    """What all runs took, those that failed included."""
    by_cell: dict[str, list[float]] = {}
    for record in records:
        by_cell.setdefault(record.cell, []).append(record.seconds)
    on_gpus = [r for r in records if r.origin.get("device", "").startswith("cuda")]
    return Cost(
        runs=len(records),
        finished=sum(record.status == "finished" for record in records),
        seconds=math.fsum(record.seconds for record in records),
        gpu_seconds=math.fsum(r.seconds * r.experiment.training.processes for r in on_gpus),
        by_cell=tuple(
            (row.label, len(by_cell[row.cell]), math.fsum(by_cell[row.cell]))
            for row in rows
            if row.cell in by_cell
        ),
    )


def provenance(found: StudyInputs, store: str) -> Provenance:
    """Fingerprints and versions of the finished runs, and the command that makes them again."""
    finished = [record for record in found.records if record.status == "finished"]
    names = dict.fromkeys(name for record in finished for name in record.origin if name != "pid")
    return Provenance(
        command=command(found.study, found.declared),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        data_fingerprints=_distinct(record.data_fingerprint for record in finished),
        code_fingerprints=_distinct(record.code_fingerprint for record in finished),
        origin={name: _distinct(r.origin[name] for r in finished if name in r.origin) for name in names},
        store=store,
    )


def command(study: str, declared: DeclaredAnalysis | None) -> str:
    """The command that makes the study again, with the file's place as seen from the working folder."""
    if declared is None:
        return f"ablab grid run FILE --study {shlex.quote(study)}"
    parts = ["ablab", "grid", "run", _seen_from_here(declared.source)]
    for override in declared.overrides:
        parts += ["--set", override]
    if not (
        study == declared.grid.name or (declared.overrides and study.startswith(f"{declared.grid.name}@"))
    ):
        parts += ["--study", study]
    return shlex.join(parts)


def _seen_from_here(file: Path) -> str:
    here = Path(os.path.relpath(file))
    return file.name if ".." in here.parts else here.as_posix()


def _mechanism(comparison: Comparison, found: StudyInputs, absent: dict[str, str]) -> MechanismReport | None:
    row = comparison.primary
    if row is None:
        absent["mechanism"] = "no contrast was declared: name two cells to `ablab diagnose STUDY`"
        return None
    try:
        report = diagnose_mechanism(
            found.records,
            study=comparison.study,
            treatment=row.cell,
            reference=comparison.baseline,
            analysis=found.declared.analysis if found.declared else None,
        )
    except NotFoundError as error:
        absent["mechanism"] = str(error)
        return None
    if not report.verdicts:
        absent["mechanism"] = "nothing was measured inside the networks: diagnostics.preset was off"
        return None
    return report


def _claims(
    found: StudyInputs, file: Path | None, absent: dict[str, str], store: RunStore
) -> ClaimsReport | None:
    declared = found.declared
    ledger = declared.claims if declared is not None else None
    if file is not None:
        ledger = load_claims(file)
    if ledger is None:
        absent["claims"] = "the grid names no ledger (analysis.claims), and none was given (--claims)"
        return None
    analysis = declared.analysis if declared is not None else Analysis()
    return claims_of_records(ledger, found.study, found.records, analysis, store)


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
