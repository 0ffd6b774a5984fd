"""ablab: its session, its local launcher (a fresh process per trial), its Optuna study, its MLflow store."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ablab.orchestration import session as session_module
from ablab.orchestration.launcher_table import find_launcher
from ablab.orchestration.launchers import Place, Request
from ablab.orchestration.optuna.study import GridStudy
from ablab.orchestration.progress import Silence
from ablab.orchestration.selection import Selection
from ablab.orchestration.session import Session
from ablab.paths import Paths
from ablab.spec.experiment import Experiment
from ablab.spec.identity import trial_key
from ablab.spec.load import with_values
from ablab.spec.trial import Cell, Trial
from ablab.tracking.open import open_store
from benchmarks.noop.act import noop
from benchmarks.noop.work import TRIALS, WORKERS

KEY = "training.learning_rate"


def main(home: Path) -> None:
    """Run the trials."""
    base = Experiment(name="noop")
    trials = []
    for number in range(TRIALS):
        levels = {KEY: 1e-4 * (number + 1)}
        cell = Cell(f"learning_rate={levels[KEY]}", f"lr{number}", levels, with_values(base, levels))
        trials.append(Trial(trial_key(cell.experiment, "none", 0), "noop", cell, 0, "none"))
    paths = Paths(home)
    session_module.train = noop
    session = Session(
        "noop",
        Selection(tuple(trials), ()),
        lambda: GridStudy("noop", trials, paths),
        open_store(paths),
        Silence(),
        time.monotonic(),
    )
    result = session.run(
        find_launcher("local"), Place.here(paths.root), Request(tuple(trials), workers=WORKERS)
    )
    assert result.completed == TRIALS, result


if __name__ == "__main__":
    main(Path(sys.argv[1]))
