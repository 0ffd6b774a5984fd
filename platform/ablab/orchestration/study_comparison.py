"""A study -> Comparison or Findings: runs in the store, what was declared, the floor of the linear model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ablab.baselines.cache import floor
from ablab.comparison.bootstrap import DRAWS
from ablab.comparison.claims_values import ClaimsReport
from ablab.comparison.comparable import code_notes
from ablab.comparison.compare import compare
from ablab.comparison.convergence import Curves
from ablab.comparison.findings import Findings, findings
from ablab.comparison.values import Comparison
from ablab.data.datasets import fingerprint
from ablab.designs.placebos import as_replicates, is_placebo
from ablab.errors import DataError
from ablab.orchestration.declared import DeclaredAnalysis, analysis_of
from ablab.orchestration.item_scores import item_scores
from ablab.orchestration.study_claims import claims_of_records
from ablab.paths import Paths
from ablab.spec.record import RunRecord
from ablab.tracking.provenance import code_fingerprint
from ablab.tracking.store import RunStore


def compare_study(
    study: str,
    *,
    paths: Paths,
    store: RunStore,
    baseline: str | None = None,
    metric: str | None = None,
    compute_floor: bool = False,
) -> Comparison:
    """Compare the cells of a study.

    baseline: id or label of a cell instead of the declared reference. metric: instead of the declared one.
    compute_floor: fit the linear model where its result is not known yet; it takes seconds to minutes.

    Raises NotFoundError (study, cell, metric, nothing finished), MixedRecordsError, StoreError.
    """
    inputs = _inputs(study, paths, store, compute_floor)
    declared = inputs.declared
    found = compare(
        inputs.records,
        study=study,
        analysis=declared.analysis if declared else None,
        reference=declared.reference if declared else None,
        treatment=declared.treatment if declared else None,
        metric=metric,
        baseline=baseline,
        floor=inputs.floor,
        superseded=inputs.superseded,
        notes=inputs.notes,
    )
    return replace(found, claims=_claims(inputs, study, store))


def study_findings(
    study: str,
    *,
    paths: Paths,
    store: RunStore,
    baseline: str | None = None,
    metric: str | None = None,
    compute_floor: bool = False,
    n_draws: int = DRAWS,
) -> Findings:
    """Everything a study says; arguments and errors as of `compare_study`, and n_draws of the bootstrap.

    Of the runs of the declared contrast it reads, besides their records, the curves and, where stimuli were
    held out, the predictions.
    """
    inputs = _inputs(study, paths, store, compute_floor)
    declared = inputs.declared
    found = findings(
        inputs.records,
        study=study,
        analysis=declared.analysis if declared else None,
        reference=declared.reference if declared else None,
        treatment=declared.treatment if declared else None,
        levels=declared.levels if declared else None,
        curves=_curves(inputs, store),
        items=item_scores(_arms(inputs), store),
        metric=metric,
        baseline=baseline,
        floor=inputs.floor,
        superseded=inputs.superseded,
        notes=inputs.notes,
        n_draws=n_draws,
    )
    return replace(found, comparison=replace(found.comparison, claims=_claims(inputs, study, store)))


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What a comparison is made of."""

    records: tuple[RunRecord, ...]
    superseded: tuple[RunRecord, ...]
    declared: DeclaredAnalysis | None
    floor: float | None
    notes: tuple[str, ...]


def _inputs(study: str, paths: Paths, store: RunStore, compute_floor: bool) -> _Inputs:
    records = store.records(study)
    declared = analysis_of(study, paths)
    notes = []
    superseded: list[RunRecord] = []
    if declared is not None:
        superseded = [each for each in records if each.role == "seed" and not declared.holds(each)]
        records = tuple(each for each in records if each not in superseded)
    if declared is None:
        notes.append("no analysis is declared for this study in this state root: the defaults are used")
    linear, why_not = _floor(records, paths, compute_floor)
    if why_not:
        notes.append(why_not)
    finished = [record for record in records if record.status == "finished"]
    notes += code_notes(finished, code_fingerprint())
    return _Inputs(as_replicates(records), tuple(superseded), declared, linear, tuple(notes))


def _claims(inputs: _Inputs, study: str, store: RunStore) -> ClaimsReport | None:
    """The declared claims held against the runs; None where none are declared."""
    declared = inputs.declared
    if declared is None or declared.claims is None:
        return None
    return claims_of_records(declared.claims, study, inputs.records, declared.analysis, store)


def _arms(inputs: _Inputs) -> tuple[RunRecord, ...]:
    """Finished runs of the declared contrast; none where none is declared."""
    declared = inputs.declared
    if declared is None:
        return ()
    arms = (declared.treatment, declared.reference)
    return tuple(run for run in inputs.records if run.status == "finished" and run.cell in arms)


def _curves(inputs: _Inputs, store: RunStore) -> Curves | None:
    return {run.run_id: store.curves(run.run_id) for run in _arms(inputs)} or None


def _floor(records: Sequence[RunRecord], paths: Paths, compute: bool) -> tuple[float | None, str | None]:
    """Test r of the linear model on the data that the runs were trained on; or why it is not known."""
    trained = (each for each in records if each.status == "finished" and not is_placebo(each.cell))
    finished = next(trained, None)
    if finished is None:
        return None, None
    experiment = finished.experiment
    try:
        if fingerprint(experiment.dataset, paths) != finished.data_fingerprint:
            return None, "no floor: the data have changed since these runs"
        result = floor(experiment.dataset, experiment.evaluation, paths, compute=compute)
    except DataError as error:
        return None, f"no floor: {str(error).splitlines()[0]}"
    if result is None:
        return None, "no floor yet: `ablab baseline run EXPERIMENT` fits the linear model"
    return result.test_pearson, None
