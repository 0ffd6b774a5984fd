"""The command that is run where a gate fails. No shell: what a spec says is arguments, never a script."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from ablab.regression.record import as_text
from ablab.regression.values import Gate

_SECONDS = 300
"""A hook tells somebody; one that takes longer is stuck, and the schedule waits behind it."""


def run_hook(command: Sequence[str], gate: Gate) -> str:
    """Run the command with the verdict as JSON on its standard input; returns what became of it.

    ``ABLAB_VERDICT``, ``ABLAB_REGRESSION``, ``ABLAB_BASELINE`` and ``ABLAB_GATE`` are in its environment. A
    hook that fails is told of and changes no verdict.
    """
    facts = {
        "ABLAB_VERDICT": gate.verdict,
        "ABLAB_REGRESSION": gate.regression,
        "ABLAB_BASELINE": gate.baseline,
        "ABLAB_GATE": gate.gate,
    }
    try:
        done = subprocess.run(
            list(command),
            input=as_text(gate),
            env={**os.environ, **facts},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"on_fail {command[0]}: stopped after {_SECONDS} s"
    except OSError as error:
        return f"on_fail {command[0]}: could not be started: {error.strerror}"
    if done.returncode == 0:
        return f"on_fail {command[0]}: done"
    last = (done.stderr.strip().splitlines() or ["it printed no error"])[-1]
    return f"on_fail {command[0]}: failed with exit code {done.returncode}: {last}"
