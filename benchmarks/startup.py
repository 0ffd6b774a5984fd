"""CPU seconds of commands beyond the interpreter's own start: median of 7 runs each."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = 7
COMMANDS = {
    "help": ["--help"],
    "spec error": ["experiment", "show", "experiments/quickstart.yaml", "--set", "model.d_modle=3"],
    "grid plan --offline": ["grid", "plan", "ablations/v2_improvements.yaml", "--offline"],
    "grid plan": ["grid", "plan", "ablations/quickstart.yaml"],
}


def _cpu_seconds(argv: list[str], home: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        argv, cwd=ROOT, capture_output=True, check=False, env={**os.environ, "ABLAB_HOME": home}
    )
    if done.returncode not in (0, 2) or (argv[-1] != "pass" and not done.stdout + done.stderr):
        raise RuntimeError(f"{argv} did not run: {done.stderr.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def measure() -> list[dict[str, str | float]]:
    """One row per command; the bare interpreter first."""
    with tempfile.TemporaryDirectory() as home:

        def median(argv: list[str]) -> float:
            _cpu_seconds(argv, home)
            return statistics.median(_cpu_seconds(argv, home) for _ in range(RUNS))

        bare = median([sys.executable, "-c", "pass"])
        rows: list[dict[str, str | float]] = [{"command": "python -c pass", "cpu_seconds": round(bare, 3)}]
        for name, arguments in COMMANDS.items():
            seconds = median([sys.executable, "-c", "from ablab.cli.main import main; main()", *arguments])
            rows.append({"command": name, "cpu_seconds_beyond_interpreter": round(seconds - bare, 3)})
        return rows
