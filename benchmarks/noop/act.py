"""What ablab's workers do in the benchmark in place of training."""

from __future__ import annotations

from ablab.orchestration.events import Advanced, Emit, Finished, Started
from ablab.orchestration.launchers import Place
from ablab.paths import Paths
from ablab.spec.trial import Trial
from ablab.tracking.open import open_store
from ablab.tracking.store import RunStore
from benchmarks.noop.work import STEPS, values


def noop(trial: Trial, place: Place, emit: Emit, *, store: RunStore | None = None) -> None:
    """What takes the place of training: torch is loaded, the metrics of every step are written."""
    import torch  # noqa: F401

    writer = open_store(Paths(place.root)).open_run(trial, place.role)
    emit(Started(trial.key, writer.run_id))
    x = trial.cell.experiment.training.learning_rate
    for step in range(STEPS):
        writer.metrics(step, values(x, step))
        emit(Advanced(trial.key, step + 1, STEPS, values(x, step)))
    last = values(x, STEPS - 1)
    writer.finish(last, ())
    emit(Finished(trial.key, writer.run_id, 0.0, last))
