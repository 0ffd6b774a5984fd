"""A short run of the contrast's two cells before the grid: time, variances, diagnosis, go or stop.

Pilot runs have their own role in the store and never enter a comparison.
"""

from __future__ import annotations

import functools
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from ablab.comparison.variance import components
from ablab.designs.expand import cells, contrast
from ablab.orchestration.diagnosis import Diagnosis, diagnose
from ablab.orchestration.events import Finished
from ablab.orchestration.gpus import device_for
from ablab.orchestration.grid import opened, settled_states
from ablab.orchestration.interruption import interruptible
from ablab.orchestration.launcher_table import find_launcher, read_options
from ablab.orchestration.launchers import Place, Request
from ablab.orchestration.lock import study_lock
from ablab.orchestration.pilot_facts import PilotFacts, Spread, keep
from ablab.orchestration.preparation import shared_fingerprint
from ablab.orchestration.progress import Progress, Silence
from ablab.orchestration.queue import Untold
from ablab.orchestration.result import GridResult
from ablab.orchestration.selection import Selection
from ablab.orchestration.session import Session
from ablab.paths import Paths
from ablab.spec.experiment import Experiment, Level
from ablab.spec.identity import trial_key
from ablab.spec.load import LoadedGrid, with_values
from ablab.spec.trial import Cell, Trial
from ablab.tracking.store import RunStore


@dataclass(frozen=True, slots=True)
class PilotResult:
    """What a pilot did and what it says."""

    result: GridResult
    reference: Cell
    treatment: Cell
    facts: PilotFacts
    diagnosis: Diagnosis

    @property
    def exit_code(self) -> int:
        """130 where it was interrupted, 1 for stop, 0 for go."""
        return 130 if self.result.interrupted else 0 if self.diagnosis.go else 1


def run_pilot(
    loaded: LoadedGrid,
    *,
    paths: Paths,
    store: RunStore,
    epochs: int = 50,
    seeds: int = 2,
    launcher: str = "local",
    launcher_options: Sequence[str] = (),
    workers: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> PilotResult:
    """Train reference and treatment of the contrast for a few epochs (never more than the grid's own).

    A pilot always trains, also what an earlier pilot trained. Raises as `run_grid` does.
    """
    began = time.monotonic()
    progress = progress or Silence()
    study = loaded.study
    kind = find_launcher(launcher)
    options = read_options(kind, launcher_options)
    gpus = loaded.grid.resources.gpus_per_trial
    device = device_for(device, gpus)
    found = cells(loaded.grid, loaded.bases)
    treatment, reference = contrast(loaded.grid, found)
    brief = [_brief(cell, epochs) for cell in (reference, treatment)]
    with interruptible(signal.SIGINT, signal.SIGTERM), study_lock(study, paths, store):
        settled_states(study, "pilot", paths, store, progress)
        data = shared_fingerprint(brief, functools.partial(opened, paths=paths, progress=progress))
        trials = [
            Trial(trial_key(cell.experiment, data, seed), study, cell, seed, data)
            for cell in brief
            for seed in _seeds(loaded.grid.seeds, seeds)
        ]
        request = Request(tuple(trials), workers, gpus, options=options)
        session = Session(study, Selection(tuple(trials), ()), Untold, store, progress, began)
        result = session.run(kind, Place.here(paths.root, "pilot", device), request)
    ends = {event.key: event for event in session.finished}
    runs = {
        cell.id: {trial.seed: ends[trial.key] for trial in trials if trial.cell == cell and trial.key in ends}
        for cell in brief
    }
    facts = PilotFacts(
        epochs=max(cell.experiment.training.epochs for cell in brief),
        n_seeds=seeds,
        seconds_per_epoch={
            cell.id: fmean(end.seconds for end in runs[cell.id].values()) / cell.experiment.training.epochs
            for cell in brief
            if runs[cell.id]
        },
        spread=_spread(runs[treatment.id], runs[reference.id]),
    )
    if facts.seconds_per_epoch:
        keep(study, facts, paths)
    diagnosis = diagnose(
        [end.metrics for end in runs[reference.id].values()],
        [end.metrics for end in runs[treatment.id].values()],
        [f"{failure.cell}: {failure.error}" for failure in result.failures],
    )
    return PilotResult(result, reference, treatment, facts, diagnosis)


def _brief(cell: Cell, epochs: int) -> Cell:
    experiment: Experiment = cell.experiment
    changes: dict[str, Level] = {"training.epochs": min(epochs, experiment.training.epochs)}
    if experiment.diagnostics.preset == "off":
        changes["diagnostics.preset"] = "cheap"  # a diagnosis needs them, and they change no weight
    return replace(cell, experiment=with_values(experiment, changes))


def _seeds(declared: Sequence[int], n: int) -> tuple[int, ...]:
    """The grid's first seeds, and further ones where it has fewer."""
    more = (seed for seed in range(len(declared) + n) if seed not in declared)
    return (*declared, *more)[:n]


def _spread(treatment: Mapping[int, Finished], reference: Mapping[int, Finished]) -> Spread | None:
    """From validation scores: a pilot decides what is run, so it must not look at the test set."""
    seeds = sorted(treatment.keys() & reference.keys())
    scores = [(_validation(treatment[seed]), _validation(reference[seed])) for seed in seeds]
    subjects = sorted(set.intersection(*({*ours} & {*theirs} for ours, theirs in scores))) if scores else []
    if len(seeds) < 2 or len(subjects) < 2:
        return None
    differences = np.array([[ours[name] - theirs[name] for ours, theirs in scores] for name in subjects])
    parts = components(differences)
    return Spread(parts.sd_subject, parts.sd_seed, parts.sd_residual, len(subjects))


def _validation(end: Finished) -> dict[str, float]:
    scores = {score.subject: score.validation for score in end.subjects if score.seen}
    return {subject: r for subject, r in scores.items() if r is not None}
