"""A study -> Comparison or Findings: runs in the store, what was declared, the floor of the linear model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ablab.baselines.cache import floor
from ablab.comparison.bootstrap import DRAWS
from ablab.comparison.claims_values import ClaimsReport
from ablab.comparison.comparable import code_notes
from ablab.comparison.compare import compare
from ablab.comparison.convergence import CURVE
from ablab.comparison.findings import Findings, findings
from ablab.comparison.values import Comparison
from ablab.data.datasets import fingerprint
from ablab.designs.placebos import as_replicates, is_placebo
from ablab.errors import DataError
from ablab.orchestration.declared import DeclaredAnalysis, analysis_of
from ablab.orchestration.item_scores import item_scores
from ablab.orchestration.study_claims import claims_of_records
from ablab.paths import Paths
from ablab.spec.identity import flatten
from ablab.spec.record import RunRecord
from ablab.tracking.provenance import code_fingerprint
from ablab.tracking.store import Curve, RunStore

_FLOOR_KEYS = ("dataset.train_fraction", "dataset.shuffle_eeg", "evaluation.segment_seconds")
"""Keys that the linear model hangs on besides the data (`baselines.cache.identity_of`)."""


@dataclass(frozen=True, slots=True)
class StudyInputs:
    """What a comparison of a study is made of."""

    study: str
    records: tuple[RunRecord, ...]
    """Runs of any status that the last declaration holds; all where nothing is declared here."""
    superseded: tuple[RunRecord, ...]
    """Runs under the study's name that its last declaration does not hold."""
    declared: DeclaredAnalysis | None
    floor: float | None
    notes: tuple[str, ...]


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
    inputs = study_inputs(study, paths=paths, store=store, compute_floor=compute_floor)
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
    return replace(found, claims=_claims(inputs, store))


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
    """Everything a study says; arguments and errors as of `compare_study`, and n_draws of the bootstrap."""
    inputs = study_inputs(study, paths=paths, store=store, compute_floor=compute_floor)
    curves = store.courses(study, CURVE)
    found = findings_of(inputs, curves, store, metric=metric, baseline=baseline, n_draws=n_draws)
    return replace(found, comparison=replace(found.comparison, claims=_claims(inputs, store)))


def study_inputs(study: str, *, paths: Paths, store: RunStore, compute_floor: bool = False) -> StudyInputs:
    """Read what a comparison of the study needs.

    Raises NotFoundError where there is no such study, StoreError.
    """
    records = store.records(study)
    declared = analysis_of(study, paths)
    notes = []
    superseded: tuple[RunRecord, ...] = ()
    if declared is None:
        notes.append("no analysis is declared for this study in this state root: the defaults are used")
    else:
        superseded = tuple(each for each in records if each.role == "seed" and not declared.holds(each))
        left = {each.run_id for each in superseded}
        records = tuple(each for each in records if each.run_id not in left)
    linear, why_not = _floor(records, paths, compute_floor)
    if why_not:
        notes.append(why_not)
    finished = [record for record in records if record.status == "finished"]
    notes += code_notes(finished, code_fingerprint())
    return StudyInputs(study, as_replicates(records), superseded, declared, linear, tuple(notes))


def findings_of(
    inputs: StudyInputs,
    curves: Mapping[str, Curve],
    store: RunStore,
    *,
    metric: str | None = None,
    baseline: str | None = None,
    n_draws: int = DRAWS,
) -> Findings:
    """Everything that runs which have been read say; curves: run id -> validation r by step.

    Where stimuli were held out, the predictions of the declared contrast are read from the store besides.
    """
    declared = inputs.declared
    return findings(
        inputs.records,
        study=inputs.study,
        analysis=declared.analysis if declared else None,
        reference=declared.reference if declared else None,
        treatment=declared.treatment if declared else None,
        levels=declared.levels if declared else None,
        curves={run_id: {CURVE: course} for run_id, course in curves.items()},
        items=item_scores(_arms(inputs), store),
        metric=metric,
        baseline=baseline,
        floor=inputs.floor,
        superseded=inputs.superseded,
        notes=inputs.notes,
        n_draws=n_draws,
    )


def _claims(inputs: StudyInputs, store: RunStore) -> ClaimsReport | None:
    """The declared claims held against the runs; None where none are declared."""
    declared = inputs.declared
    if declared is None or declared.claims is None:
        return None
    return claims_of_records(declared.claims, inputs.study, inputs.records, declared.analysis, store)


def _arms(inputs: StudyInputs) -> tuple[RunRecord, ...]:
    """Finished runs of the declared contrast; none where none is declared."""
    declared = inputs.declared
    if declared is None:
        return ()
    arms = (declared.treatment, declared.reference)
    return tuple(run for run in inputs.records if run.status == "finished" and run.cell in arms)


def _floor(records: Sequence[RunRecord], paths: Paths, compute: bool) -> tuple[float | None, str | None]:
    """Test r of the linear model on the data that the runs were trained on; or why it is not known."""
    trained = [each for each in records if each.status == "finished" and not is_placebo(each.cell)]
    if not trained:
        return None, None
    if differing := [
        key for key in _FLOOR_KEYS if len({flatten(each.experiment)[key] for each in trained}) > 1
    ]:
        return None, f"no floor: cells differ in {' and '.join(differing)}, so no one linear model is theirs"
    finished = trained[0]
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
