"""Which GPUs trials may use, found out without touching CUDA: the forkserver must not initialise it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import version

from ablab.errors import InputError
from ablab.spec.trial import Cell

_NONE = ("", "-1", "NoDevFiles")
"""What stands in ``CUDA_VISIBLE_DEVICES`` for no GPU; the last is Slurm's."""

_SECONDS = 20.0
"""For ``nvidia-smi``, which never answers where a driver hangs."""


def visible_gpus() -> tuple[str, ...]:
    """Values for ``CUDA_VISIBLE_DEVICES``, one per GPU; empty without a GPU or with a CPU build of torch."""
    if "+cpu" in version("torch"):
        return ()
    declared = os.environ.get("CUDA_VISIBLE_DEVICES")
    if declared is not None:
        return tuple(name.strip() for name in declared.split(",") if name.strip() not in _NONE)
    if shutil.which("nvidia-smi") is None:
        return ()
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"nvidia-smi gives no answer within {_SECONDS:.0f} s: see dmesg; --device cpu goes without GPUs"
        ) from error
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(str(index) for index in range(len(lines))) if listed.returncode == 0 else ()


def automatic_workers(
    cells: Iterable[Cell], device: str = "auto", gpus_per_trial: float | None = None
) -> int:
    """Trials at once: as many as the GPUs hold, or else the cores, at each trial's processes and threads."""
    needs = [cell.experiment.training for cell in cells]
    gpus = () if gpus_per_trial == 0 else gpus_of(device)
    if gpus and gpus_per_trial is not None and gpus_per_trial < 1:
        return len(gpus) * round(1 / gpus_per_trial)
    if gpus:
        return max(1, len(gpus) // min(need.processes for need in needs))
    return max(1, len(os.sched_getaffinity(0)) // max(need.processes * need.threads for need in needs))


def gpus_of(device: str) -> tuple[str, ...]:
    """The GPUs that trials on this device use; of ``cuda:N`` the one, where GPUs are there at all.

    Raises InputError where there is no GPU of that number.
    """
    there = () if device == "cpu" else visible_gpus()
    number = device.partition(":")[2]
    if not there or not number:
        return there
    if int(number) >= len(there):
        raise InputError(f"--device {device}: GPUs here are cuda:0 to cuda:{len(there) - 1}")
    return (there[int(number)],)


def device_for(device: str, gpus_per_trial: float | None) -> str:
    """The device of a grid's trials; InputError where ``device`` and its resources contradict each other."""
    if gpus_per_trial != 0:
        return device
    if device not in ("auto", "cpu"):
        raise InputError(f"--device {device}: resources.gpus_per_trial is 0, which is the CPU; change one")
    return "cpu"


def refuse_too_few(cells: Iterable[Cell], device: str, gpus_per_trial: float | None = None) -> None:
    """Raise InputError where a trial's processes could not each have a GPU, or where one was named in vain.

    gpus_per_trial: asked for by name, so that the CPU will not do.
    """
    if gpus_per_trial == 0:
        return
    largest = max((cell.experiment.training.processes for cell in cells), default=1)
    there = len(gpus_of(device))
    if device.startswith("cuda") and not there:
        raise InputError(
            f"--device {device}: no GPU can be used here; see 'ablab doctor', or give --device cpu"
        )
    if gpus_per_trial is not None and there < gpus_per_trial:
        instead = f"training.processes={gpus_per_trial:g}" if gpus_per_trial >= 1 else "--device cpu"
        raise InputError(
            f"{gpus_per_trial:g} GPUs for a trial were asked for, and {there} can be used "
            f"(device {device!r}); on the CPU, give {instead} in place of them"
        )
    if largest > 1 and 0 < there < largest:
        raise InputError(
            f"training.processes is {largest}, each on a GPU of its own, and {there} can be used; "
            "use fewer, or --device cpu"
        )
