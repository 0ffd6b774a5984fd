"""A new interpreter per trial, two at a time, drawn by Optuna: the simplest way to isolate trials."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import optuna

from benchmarks.noop.work import TRIALS, WORKERS, prepare, record


def main(home: Path) -> None:
    """Run the trials."""
    uri = f"sqlite:///{home / 'mlflow.db'}"
    prepare(uri, "noop")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=f"sqlite:///{home / 'optuna.db'}", direction="maximize")
    running: dict[subprocess.Popen[str], optuna.Trial] = {}
    started = 0
    while started < TRIALS or running:
        while started < TRIALS and len(running) < WORKERS:
            trial = study.ask()
            x = trial.suggest_float("x", 0.0, 1.0)
            command = [sys.executable, "-m", "benchmarks.noop.interpreters", uri, str(x)]
            running[subprocess.Popen(command, stdout=subprocess.PIPE, text=True)] = trial
            started += 1
        for process in [each for each in running if each.poll() is not None]:
            assert process.stdout is not None and process.returncode == 0
            study.tell(running.pop(process), float(process.stdout.read()))
        time.sleep(0.01)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(record(sys.argv[1], "noop", {"x": float(sys.argv[2])}))
    else:
        main(Path(sys.argv[1]))
