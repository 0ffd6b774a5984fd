"""A task in several processes at once: torchrun starts them, and what they tell arrives here.

They end with the caller, however either ends: each holds a connection to it and kills itself when that
closes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from ablab.errors import TrialError, WorkerDiedError
from ablab.training.messages import (
    Done,
    Ending,
    Flushed,
    Job,
    Logged,
    Present,
    Raised,
    Stop,
    Stopped,
    Told,
    receive,
    send,
)
from ablab.training.observer import Observer

_MOMENT_SECONDS = 0.1
_LAST_SECONDS = 20.0
"""For processes that are done to end by themselves."""
_SUMMARY_SECONDS = 15.0
"""For torchrun to see that a process died and to write down how: a moment, seconds on a busy machine."""
_LINES_OF_LAST_WORDS = 3
_log = logging.getLogger("ablab")


@dataclass(slots=True)
class _Process:
    connection: Connection
    rank: int | None = None
    pid: int | None = None
    ending: Ending | None = None
    gone: bool = False


def in_processes(
    n: int,
    task: Callable[..., Any],
    arguments: tuple[Any, ...],
    *,
    folder: Path,
    observer: Observer,
    device: str = "auto",
    asked_to_stop: Callable[[], bool],
) -> Any:
    """Call ``task(seat, *arguments)`` in ``n`` processes; returns the first one's value.

    The task is importable by name, and all its processes call the functions of `distributed` alike. What the
    first one tells its observer reaches ``observer`` here, in order. Where a process raises, its error is
    raised here, with its own traceback as a note, and the others are ended: the first error counts, as the
    others fail for want of that process. WorkerDiedError where one ends without a word. KeyboardInterrupt
    where the task left by one, having seen that ``asked_to_stop``. Any error here ends all of them.

    folder: what torchrun and the processes print goes to a file there, which is left where they fail.
    """
    output = folder / "processes.out"
    job = Job(task, arguments, device)
    with _listening() as (server, address), _started(n, address, output) as torchrun:
        processes: list[_Process] = []
        told_to_stop = False
        while not _are_over(processes, n):
            if not told_to_stop and asked_to_stop():
                if len(processes) < n:
                    raise KeyboardInterrupt
                told_to_stop = True
                for process in processes:
                    _say(process, Stop())
            ended = torchrun.poll() is not None  # looked at first: nothing is said after that
            _accept(server, processes, job)
            if len(processes) == n:  # nobody else will come, and a caller that is killed could not clear up
                shutil.rmtree(address.parent, ignore_errors=True)
            living = [process.connection for process in processes if not process.gone]
            wait([server, *living], 0 if ended else _MOMENT_SECONDS)
            for process in processes:
                _hear(process, observer)
            if any(_has_failed(process) for process in processes):
                # What made it fail may be about to be heard from a process that was listened to before it.
                time.sleep(_MOMENT_SECONDS)
                for process in processes:
                    _hear(process, observer)
            _check(processes, torchrun, output, n)
            if ended and not _are_over(processes, n):
                raise WorkerDiedError(_last_words(f"torchrun ended with exit code {torchrun.poll()}", output))
        if any(isinstance(process.ending, Stopped) for process in processes):
            raise KeyboardInterrupt
        with contextlib.suppress(subprocess.TimeoutExpired):
            torchrun.wait(_LAST_SECONDS)
    output.unlink(missing_ok=True)
    first = next(process.ending for process in processes if process.rank == 0)
    assert isinstance(first, Done)
    return first.value


def _are_over(processes: list[_Process], n: int) -> bool:
    return len(processes) == n and all(process.ending for process in processes)


def _has_failed(process: _Process) -> bool:
    return isinstance(process.ending, Raised) or (process.gone and process.ending is None)


def _check(processes: list[_Process], torchrun: subprocess.Popen[bytes], output: Path, n: int) -> None:
    """Raise what the first process that failed raised."""
    for process in processes:
        if process.gone and process.ending is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                torchrun.wait(_SUMMARY_SECONDS)  # it writes down how the process ended
            who = f"process {process.rank} of {n}" if process.rank is not None else f"one of {n} processes"
            raise WorkerDiedError(_last_words(f"{who} {_how_it_ended(process.pid, output)}", output))
    failures = [
        (process.ending.at, process.rank, process.ending)
        for process in processes
        if isinstance(process.ending, Raised)
    ]
    if failures:
        _, rank, raised = min(failures, key=lambda failure: failure[0])
        error = raised.error or TrialError(raised.line)
        error.add_note(f"\nRaised in process {rank} of {n}:\n{raised.traceback}")
        raise error


def _accept(server: socket.socket, processes: list[_Process], job: Job) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            opened, _ = server.accept()
            opened.setblocking(True)
            process = _Process(Connection(opened.detach()))
            processes.append(process)
            _say(process, job)


def _say(process: _Process, message: object) -> None:
    with contextlib.suppress(OSError):  # that it is gone is heard
        send(process.connection, message)


def _hear(process: _Process, observer: Observer) -> None:
    while not process.gone and process.connection.poll():
        try:
            message = receive(process.connection)
        except EOFError:
            process.gone = True
            return
        match message:
            case Present(rank, pid):
                process.rank, process.pid = rank, pid
            case Logged(level, text):
                _log.log(level, "%s", text)
            case Told(method, arguments):
                getattr(observer, method)(*arguments)
                if method == "flush":
                    _say(process, Flushed())
            case Done() | Stopped() | Raised():
                process.ending = message


@contextmanager
def _listening() -> Iterator[tuple[socket.socket, Path]]:
    # A socket's address has room for some 100 characters, and a state root may lie deep.
    with (
        tempfile.TemporaryDirectory(prefix="ablab-", ignore_cleanup_errors=True) as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server,
    ):
        address = Path(folder) / "s"
        server.bind(str(address))
        server.listen()
        server.setblocking(False)
        yield server, address


@contextmanager
def _started(n: int, address: Path, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """torchrun in its own process group; nothing of it is left afterwards."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--max-restarts=0"]
    command += [f"--nproc-per-node={n}", "-m", "ablab.training.rank", str(address)]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}  # the trial sets its own number of threads
    with output.open("wb") as file:
        torchrun = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environment,
            start_new_session=True,
        )
    try:
        yield torchrun
    finally:
        _end(torchrun)


def _end(torchrun: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        tree = [psutil.Process(torchrun.pid)]
        tree += tree[0].children(recursive=True)  # each of them leads a session of its own
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    torchrun.wait()


def _how_it_ended(pid: int | None, output: Path) -> str:
    """From torchrun's summary, which names exit code and process id of each that failed."""
    found = re.search(rf"exitcode\s*: (-?\d+) \(pid: {pid}\)", output.read_text(errors="replace"))
    if found is None:
        return "ended without a word"
    code = int(found[1])
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _last_words(cause: str, output: Path) -> str:
    printed = output.read_text(errors="replace").splitlines()
    lines = [line.strip() for line in printed if line.strip() and not line.startswith(("=", "-"))]
    return f"{cause}: {' | '.join(lines[-_LINES_OF_LAST_WORDS:])}" if lines else cause
