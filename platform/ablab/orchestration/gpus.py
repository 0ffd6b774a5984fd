"""Which GPUs trials may use, found out without touching CUDA: the forkserver must not initialise it."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.metadata import version


def visible_gpus() -> tuple[str, ...]:
    """Values for ``CUDA_VISIBLE_DEVICES``, one per GPU; empty without a GPU or with a CPU build of torch."""
    if "+cpu" in version("torch"):
        return ()
    declared = os.environ.get("CUDA_VISIBLE_DEVICES")
    if declared is not None:
        return tuple(name.strip() for name in declared.split(",") if name.strip() not in ("", "-1"))
    if shutil.which("nvidia-smi") is None:
        return ()
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=20)
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(str(index) for index in range(len(lines))) if listed.returncode == 0 else ()


def automatic_workers(threads: int) -> int:
    """Trials at once: one per GPU, or as many as the cores hold at ``threads`` each; at least one."""
    gpus = visible_gpus()
    return len(gpus) if gpus else max(1, len(os.sched_getaffinity(0)) // threads)
