"""The inside of a worker process: its own session, its end when the parent dies, its death certificate.

A worker outlives nobody: it watches its parent, and within five seconds of the parent's death it has closed
its run as killed and ended its whole process group.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import parent_process
from pathlib import Path

from ablab.orchestration.events import Event
from ablab.orchestration.interruption import interruptible
from ablab.orchestration.launchers import Act, Place
from ablab.orchestration.leftovers import output_file
from ablab.orchestration.lock import trial_lock
from ablab.paths import Paths
from ablab.spec.trial import Trial

PRELOAD = (
    "ablab.orchestration.unswept_imports",
    "ablab.orchestration.worker",
    "ablab.tracking.mlflow.preload",
    "ablab.tracking.mlflow.store",
    "ablab.tracking.mlflow.opening",
    "sqlalchemy.dialects.sqlite",
    "torch.utils.tensorboard",
    "torch._inductor",  # what torch.use_deterministic_algorithms imports at its first call, 2 s
    "ablab.orchestration.frozen_heap",
)
"""What the forkserver imports once, so that a fresh process per trial costs a fork and not the imports."""

_SAVING_SECONDS = 1.5
"""For saving the trial's state once the parent is dead, and then as much for closing the run; the whole end
has to fit into five."""


def main(
    act: Act,
    trial: Trial,
    place: Place,
    connection: Connection,
    gpus: tuple[str, ...],
    visible: str | None,
) -> None:
    """Run one trial in this process and send what it emits through ``connection``.

    visible: ``CUDA_VISIBLE_DEVICES`` of the process that starts the trial; ``gpus`` come before it.
    """
    os.setsid()  # its own process group: a Ctrl-C in the terminal is the orchestrator's to handle
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The forkserver's own is that of its start; Ray gives each task of one process other GPUs.
    _set("CUDA_VISIBLE_DEVICES", ",".join(gpus) if gpus else visible)
    if gpus:
        # Not "auto", which is the CPU where CUDA does not work, and a GPU would be idle beside it. And not
        # "cuda:3": the numbers of those GPUs are others now.
        place = replace(place, device="cuda")
    take(place)
    folder = Paths(place.root).workers(trial.study)
    folder.mkdir(parents=True, exist_ok=True)
    output = output_file(folder, os.getpid())
    _redirect(output)
    ended = threading.Event()
    with interruptible(signal.SIGTERM):
        threading.Thread(target=_follow_parent, args=(ended,), name="parent watch", daemon=True).start()
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # the forkserver has it blocked
            with trial_lock(trial, place.role, Paths(place.root)):
                act(trial, place, _Sender(connection))
        except KeyboardInterrupt:
            pass  # the act has closed its run; nothing is left to do
        finally:
            ended.set()
            connection.close()
    output.unlink(missing_ok=True)  # kept where the process dies before this line
    parent = parent_process()
    if parent is not None and not parent.is_alive():
        os.killpg(os.getpgrp(), signal.SIGKILL)  # with whatever the trial may have started


def take(place: Place) -> None:
    """Make the surroundings what ``place`` says; the forkserver's own may be another process's."""
    os.chdir(place.folder)
    os.environ["ABLAB_HOME"] = str(place.root)
    _set("MLFLOW_TRACKING_URI", place.store_uri)


def _set(variable: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = value


def _redirect(file: Path) -> None:
    # Libraries print; the orchestrator's stdout carries one JSON object and its stderr a live display.
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    faulthandler.enable()


def _follow_parent(ended: threading.Event) -> None:
    parent = parent_process()
    assert parent is not None, "a worker is always started by another process"
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)  # the main thread saves its state and closes its run, where it can
    if not ended.wait(_SAVING_SECONDS):
        os.kill(os.getpid(), signal.SIGTERM)  # a second one means: now
    time.sleep(_SAVING_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


class _Sender:
    """Sends events; a parent that is gone ends the process by the watch, not by a broken pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, event: Event) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._connection.send(event)
