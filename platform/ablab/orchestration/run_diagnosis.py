"""A run, a checkpoint file or a contrast of two cells -> its diagnosis, from the store and the data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ablab.comparison.mechanism import diagnose_mechanism
from ablab.comparison.mechanism_values import MechanismReport
from ablab.comparison.run_diagnosis import RunDiagnosis, diagnose
from ablab.errors import AblabError, DataError, InputError
from ablab.orchestration.declared import analysis_of
from ablab.paths import Paths
from ablab.spec.record import RunRecord
from ablab.tracking.store import RunState, RunStore

FOLDER = "diagnosis"
"""Of the artifacts of a run, or of a study, for what a diagnosis draws."""


def is_checkpoint(target: str) -> bool:
    """Whether the target of a diagnosis is a file rather than a run or a study."""
    # Unlike Path.is_file, this takes a name that is too long for what it is: no file.
    return Path(target).suffix == ".pt" or os.path.isfile(target)  # noqa: PTH113


def diagnose_run(run: str, store: RunStore) -> tuple[RunState, RunDiagnosis]:
    """The diagnosis of the run with this id, or whose key begins so.

    A run that is not finished is shown as far as it got. Raises NotFoundError, StoreError.
    """
    state = store.find(run)
    curves = store.curves(state.run_id)
    study, record = record_of(state, store)
    if record is not None:
        metrics = dict(record.metrics)
    else:  # a pilot, whose record no comparison reads
        metrics = {name: points[-1][1] for name, points in curves.items()}
    notes = [] if state.status == "finished" else [f"the run is {state.status}: this is how far it got"]
    if "gradient/ratio" not in metrics:
        notes.append("nothing was measured in it: diagnostics.preset was off")
    found = diagnose(
        f"{state.cell} seed {state.seed}",
        f"run {state.run_id}",
        metrics,
        curves=curves,
        experiment=None if record is None else record.experiment,
        study=study,
        notes=notes,
    )
    return state, found


def diagnose_checkpoint(file: Path, paths: Paths) -> RunDiagnosis:
    """The diagnosis of a checkpoint file; its gradients are measured anew where its data are at hand.

    Raises NotFoundError or InputError where the file is no checkpoint.
    """
    from ablab.data.datasets import open_corpus
    from ablab.training.examine import examine, read

    checkpoint, experiment = read(file)
    corpus = None
    try:
        found = open_corpus(experiment.dataset, paths)
        same = (found.n_chans, found.subjects) == (checkpoint.facts.n_chans, checkpoint.facts.subjects)
        corpus = found if same else None
    except DataError:
        pass  # said in the notes: there are no gradients then
    examined = examine(checkpoint, experiment, corpus)
    step = checkpoint.facts.step
    return diagnose(
        experiment.name,
        str(file),
        examined.metrics,
        curves={name: ((step, value),) for name, value in examined.metrics.items()},
        experiment=experiment,
        notes=(
            *examined.notes,
            f"its whole course, where it was recorded: ablab diagnose {examined.key[:8]}",
        ),
    )


def diagnose_study(
    study: str, *, cell: str | None, against: str | None, paths: Paths, store: RunStore
) -> MechanismReport:
    """Verdicts on one cell of a study against another; the declared contrast where none is named.

    Raises NotFoundError (study, cell), InputError where there is no contrast to fall back on.
    """
    records = store.records(study)
    declared = analysis_of(study, paths)
    if declared is None and (cell is None or against is None):
        raise InputError(
            f"study '{study}': no contrast is declared in this state root; name one: --cell A --against B"
        )
    return diagnose_mechanism(
        records,
        study=study,
        treatment=cell or (declared.treatment if declared else ""),
        reference=against or (declared.reference if declared else ""),
        analysis=declared.analysis if declared else None,
    )


def attach(store: RunStore, run_id: str, files: Sequence[Path]) -> str | None:
    """Keep files with the run; the reason where the store refuses, as what was read is worth showing."""
    try:
        for file in files:
            store.attach(run_id, file, FOLDER)
    except AblabError as error:
        return str(error)
    return None


def attach_to_study(store: RunStore, study: str, files: Sequence[Path]) -> str | None:
    """Keep files with the study as a whole; the reason where the store refuses."""
    try:
        if files:
            store.attach_to_study(study, files, FOLDER)
    except AblabError as error:
        return str(error)
    return None


def record_of(state: RunState, store: RunStore) -> tuple[tuple[RunRecord, ...], RunRecord | None]:
    """The runs of the study that holds this run, and its own record; None of a pilot or a superseded run."""
    for study in store.studies():
        if any(other.run_id == state.run_id for other in store.states(study)):
            records = store.records(study)
            return records, next((each for each in records if each.run_id == state.run_id), None)
    return (), None
