"""Runs a command that may not outlive the process that asked for it.

``python -m ablab.tracking.supervisor FD COMMAND...``: FD is the reading end of a pipe whose writing end only
the asking process holds. The pipe closes when that process ends, in whatever way, and then the command and
all that it started in its process group are ended. Knows nothing of what it runs.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

GRACE_SECONDS = 3.0
"""Between asking the group to end and killing it."""
_POLL_SECONDS = 0.1


def main(arguments: list[str]) -> int:
    """Run the command until it or the asking process ends; the command's exit status."""
    pipe, command = int(arguments[0]), arguments[1:]
    # Whoever wants this to end closes the pipe; a signal would leave the command behind.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_default_signals
    )
    while child.poll() is None and not select.select([pipe], [], [], _POLL_SECONDS)[0]:
        pass
    _end_group(child)
    status = child.wait()
    return status if status >= 0 else 128 - status


def _default_signals() -> None:
    # Ignored signals stay ignored across exec.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + GRACE_SECONDS
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            child.poll()
            os.killpg(child.pid, 0)
            time.sleep(_POLL_SECONDS / 2)
        os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
