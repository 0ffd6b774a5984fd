"""Which GPUs trials may use, found out without touching CUDA: the forkserver must not initialise it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from ablab.errors import InputError
from ablab.spec.trial import Cell


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


def automatic_workers(cells: Iterable[Cell], device: str = "auto") -> int:
    """Trials at once: as many as the GPUs hold, or else the cores, at each trial's processes and threads."""
    needs = [cell.experiment.training for cell in cells]
    gpus = gpus_of(device)
    if gpus:
        return max(1, len(gpus) // max(need.processes for need in needs))
    return max(1, len(os.sched_getaffinity(0)) // max(need.processes * need.threads for need in needs))


def gpus_of(device: str) -> tuple[str, ...]:
    """The GPUs that trials on this device use."""
    return () if device == "cpu" else visible_gpus()


def refuse_too_few(cells: Iterable[Cell], device: str, gpus_per_trial: float | None = None) -> None:
    """Raise InputError where a trial's processes could not each have a GPU.

    gpus_per_trial: asked for by name, so that the CPU will not do.
    """
    largest = max(cell.experiment.training.processes for cell in cells)
    there = len(gpus_of(device))
    if gpus_per_trial is not None and there < gpus_per_trial:
        raise InputError(
            f"{gpus_per_trial:g} GPUs for a trial were asked for, and {there} can be used "
            f"(device {device!r}); on the CPU, give training.processes={gpus_per_trial:g} in place of them"
        )
    if largest > 1 and 0 < there < largest:
        raise InputError(
            f"training.processes is {largest}, each on a GPU of its own, and {there} can be used; "
            "use fewer, or --device cpu"
        )


def least_busy(gpus: Sequence[str], busy: Iterable[str], n: int) -> tuple[str, ...]:
    """The ``n`` GPUs that the fewest trials run on, in the order of ``gpus``; all where there are fewer.

    >>> least_busy(("0", "1", "2", "3"), busy=["0", "1"], n=2)
    ('2', '3')
    """
    load = Counter(busy)
    chosen = sorted(gpus, key=lambda gpu: load[gpu])[:n]
    return tuple(gpu for gpu in gpus if gpu in chosen)
