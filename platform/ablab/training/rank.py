"""One of the processes of a trial: ``python -m torch.distributed.run ... -m ablab.training.rank SOCKET``.

Takes its task from the process that listens at SOCKET, tells it everything, and ends when it is gone.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from torch import Tensor

from ablab.training.distributed import joined
from ablab.training.messages import (
    Done,
    Flushed,
    Job,
    Logged,
    Present,
    Raised,
    Seat,
    Stop,
    Stopped,
    Told,
    connect,
    receive,
    send,
    travels,
)
from ablab.training.observer import Observer

_log = logging.getLogger("ablab")


def main(address: Path) -> int:
    """Do the task; returns the exit code."""
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the process that listens is the one to stop
    signal.signal(signal.SIGTERM, lambda *_: stop.set())  # torchrun's, also where another process has failed
    line = _Line(connect(address), stop)
    line.tell(Present(int(os.environ["RANK"]), os.getpid()))
    job = line.job()
    try:
        with joined(job.device) as (world, device):
            observer: Observer = Observer()
            if world.is_first:
                observer = _Teller(line)
                _log.addHandler(_LogTeller(line))
                _log.setLevel(logging.INFO)
            value = job.task(Seat(world, str(device), observer, stop.is_set), *job.arguments)
            ending = Done(value if world.is_first else None)
    except KeyboardInterrupt:
        line.end(Stopped())
        return 0
    except Exception as error:
        last = "".join(traceback.format_exception_only(error)).strip().partition("\n")[0]
        at, text = time.monotonic(), traceback.format_exc()
        line.end(Raised(at, error if travels(error) else None, last, text))
        print(text, file=sys.stderr)
        return 1
    line.end(ending)
    return 0


class _Line:
    """The connection; a thread hears, and ends the process when nobody listens any more."""

    def __init__(self, connection: Connection, stop: threading.Event) -> None:
        self._stop = stop
        self._connection = connection
        self._sending = threading.Lock()
        self._flushed = threading.Event()
        self._ended = False

    def job(self) -> Job:
        job: Job = receive(self._connection)
        threading.Thread(target=self._hear, name="line", daemon=True).start()
        return job

    def tell(self, message: object) -> None:
        with self._sending:
            send(self._connection, message)

    def flush(self) -> None:
        self._flushed.clear()
        self.tell(Told("flush", ()))
        self._flushed.wait()

    def end(self, ending: object) -> None:
        self._ended = True
        self.tell(ending)

    def _hear(self) -> None:
        while True:
            try:
                message = receive(self._connection)
            except (EOFError, OSError):
                break
            if isinstance(message, Stop):
                self._stop.set()
            elif isinstance(message, Flushed):
                self._flushed.set()
        if not self._ended:
            os.killpg(os.getpgrp(), signal.SIGKILL)


class _Teller(Observer):
    def __init__(self, line: _Line) -> None:
        self._line = line

    def begin(self, facts: Mapping[str, str | int | float]) -> None:
        self._line.tell(Told("begin", (dict(facts),)))

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._line.tell(Told("metrics", (step, dict(values))))

    def histograms(self, step: int, values: Mapping[str, Tensor]) -> None:
        copies = {name: value.detach().cpu() for name, value in values.items()}
        self._line.tell(Told("histograms", (step, copies)))

    def progress(self, epoch: int, epochs: int, step: int, values: Mapping[str, float]) -> None:
        self._line.tell(Told("progress", (epoch, epochs, step, dict(values))))

    def warning(self, text: str) -> None:
        self._line.tell(Told("warning", (text,)))

    def flush(self) -> None:
        self._line.flush()


class _LogTeller(logging.Handler):
    def __init__(self, line: _Line) -> None:
        super().__init__(logging.INFO)
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        self._line.tell(Logged(record.levelno, record.getMessage()))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
