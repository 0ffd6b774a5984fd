"""What launchers run in their tests: tiny acts that end in every way a training can."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from ablab.orchestration.events import Advanced, Emit, Finished, Killed, Started
from ablab.orchestration.launchers import Place
from ablab.spec.trial import Trial

STRAY_LINE = "terminate called after throwing an instance of 'std::bad_alloc'"


def act(trial: Trial, place: Place, emit: Emit) -> None:
    """Does what the trial's residual says; the seed is the number of epochs."""
    how = trial.cell.factors["improvements.residual"]
    try:
        emit(Started(trial.key, f"run-{trial.seed}"))
        for epoch in range(1, trial.seed + 1):
            emit(Advanced(trial.key, epoch, trial.seed, {"r": epoch / 10}))
        globals()[f"_{how}"](trial, place, emit)
    except KeyboardInterrupt:
        emit(Killed(trial.key, f"run-{trial.seed}", "interrupted", closed=True))
        raise


def _finish(trial: Trial, place: Place, emit: Emit) -> None:
    facts = {"pid": float(os.getpid()), "session": float(os.getsid(0)), "random": float(np.random.random())}  # noqa: NPY002
    emit(Finished(trial.key, f"run-{trial.seed}", 0.1, facts))


def _report(trial: Trial, place: Place, emit: Emit) -> None:
    facts = (str(Path.cwd()), os.environ.get("ABLAB_HOME", ""), os.environ.get("MLFLOW_TRACKING_URI", ""))
    heap = {"collects": float(gc.isenabled()), "frozen": float(gc.get_freeze_count())}
    emit(Finished(trial.key, "|".join(facts), 0.1, {"torch": float("torch" in sys.modules), **heap}))


def _gpus(trial: Trial, place: Place, emit: Emit) -> None:
    time.sleep(0.5)  # so that two of these overlap
    facts = {
        "share": place.gpu_share,
        "on_cuda": float(place.device == "cuda"),
        "on_cpu": float(place.device == "cpu"),
    }
    emit(Finished(trial.key, os.environ.get("CUDA_VISIBLE_DEVICES", ""), 0.1, facts))


def _raise(trial: Trial, place: Place, emit: Emit) -> None:
    raise ValueError("seven is not a prime of eight")


def _vanish(trial: Trial, place: Place, emit: Emit) -> None:
    return


def _die(trial: Trial, place: Place, emit: Emit) -> None:
    os.write(2, f"{STRAY_LINE}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def _eat(trial: Trial, place: Place, emit: Emit) -> None:
    eaten = []
    while True:
        eaten.append(np.ones(2**23))  # 64 MiB
        time.sleep(0.3)


def _exit(trial: Trial, place: Place, emit: Emit) -> None:
    os._exit(3)


def _sleep(trial: Trial, place: Place, emit: Emit) -> None:
    time.sleep(60)


def _course(trial: Trial, place: Place, emit: Emit) -> None:
    for epoch in range(1, 600):
        emit(Advanced(trial.key, epoch, 600, {"r": 0.1}))
        time.sleep(0.1)


def _ignore(trial: Trial, place: Place, emit: Emit) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    emit(Advanced(trial.key, 1, 1, {}))
    time.sleep(60)


def _shout(trial: Trial, place: Place, emit: Emit) -> None:
    print("this is no JSON")
    os.write(1, b"neither is this\n")
    _finish(trial, place, emit)


def _second_time(trial: Trial, place: Place, emit: Emit) -> None:
    """Goes on from where the first attempt was ended."""
    state = place.root / "state"
    if not state.exists():
        state.write_text("begun")
        time.sleep(60)
    _finish(trial, place, emit)
