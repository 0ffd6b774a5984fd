"""Running one experiment under one seed: in the calling process, or where a launcher starts it."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

from ablab.orchestration.claim import claimed
from ablab.orchestration.grid import opened
from ablab.orchestration.interruption import interruptible
from ablab.orchestration.launcher_table import find_launcher, read_options
from ablab.orchestration.launchers import Place, Request
from ablab.orchestration.lease import hold
from ablab.orchestration.lock import single_lease
from ablab.orchestration.progress import Progress, Silence
from ablab.orchestration.queue import Untold
from ablab.orchestration.result import GridResult
from ablab.orchestration.selection import Selection, standings
from ablab.orchestration.session import Session
from ablab.paths import Paths
from ablab.spec.identity import digest, flatten, trial_key
from ablab.spec.load import LoadedExperiment
from ablab.spec.overrides import SOURCE
from ablab.spec.trial import Cell, Trial
from ablab.tracking.open import open_store
from ablab.tracking.provenance import code_fingerprint
from ablab.tracking.store import RunStore


def run_experiment(
    loaded: LoadedExperiment,
    *,
    seed: int,
    paths: Paths,
    study: str = "experiments",
    device: str = "auto",
    gpus: int | None = None,
    launcher: str = "inline",
    launcher_options: Sequence[str] = (),
    store: RunStore | None = None,
    progress: Progress | None = None,
) -> GridResult:
    """Train one experiment and record it; a finished run is not repeated, unless it is of other code.

    gpus: that many were asked for by name, one for each process. launcher, launcher_options: as for
    `run_grid`.

    Raises InputError where they are not there, StudyLockedError where another process trains the same trial,
    DataError, StoreError.
    """
    began = time.monotonic()
    progress = progress or Silence()
    store = store or open_store(paths)
    experiment = loaded.experiment
    kind = find_launcher(launcher)
    options = read_options(kind, launcher_options)
    with interruptible(signal.SIGINT, signal.SIGTERM):
        data = opened(experiment.dataset, paths, progress)
        key = trial_key(experiment, data, seed)
        trial = Trial(key, study, _cell(loaded), seed, data)
        # The study is shared by all single experiments: what is locked is this one trial of it.
        what = f"{experiment.name} seed {seed}"
        with hold(single_lease(study, key, paths), what), claimed(study, store, what, f"claim-{key}"):
            found = standings([trial], store.states(study), code_fingerprint())
            done = tuple(each for each in found if each.progress == "done")
            selection = Selection(() if done else (trial,), done)
            session = Session(study, selection, Untold, store, progress, began)
            request = Request(selection.to_run, 1, gpus, options=options)
            return session.run(kind, Place.here(paths.root, "seed", device), request)


def _cell(loaded: LoadedExperiment) -> Cell:
    """The experiment's name; one with overrides is another cell than the file as it stands."""
    name = loaded.experiment.name
    if any(origin == SOURCE for origin in loaded.origins.values()):
        name = f"{name}@{digest(flatten(loaded.experiment))[:8]}"
    return Cell(name, name, {}, loaded.experiment)
