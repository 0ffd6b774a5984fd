"""How many processes train an experiment, and on what: options of the command line as a spec and a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ablab.errors import InputError
from ablab.spec.load import LoadedExperiment, load_experiment
from ablab.spec.resources import PROCESSES


@dataclass(frozen=True, slots=True)
class Placed:
    """An experiment with its number of processes set, and the device it is to be trained on."""

    loaded: LoadedExperiment
    device: str
    gpus: int | None
    """GPUs that were asked for; None where nobody has."""


def placed(
    file: Path, overrides: Sequence[str], *, gpus: int | None, processes: int | None, device: str
) -> Placed:
    """Read an experiment for so many GPUs (a process on each), or for so many processes.

    gpus: 0 trains on the CPU. What is not given stays as the file has it. Raises InputError where the options
    contradict one another.
    """
    if gpus is not None and device != "auto":
        raise InputError(f"--gpus and --device {device}: give one of them; --gpus 0 is the CPU")
    if gpus and processes is not None and processes != gpus:
        raise InputError(
            f"--gpus {gpus} --processes {processes}: each process has one GPU; leave --processes out"
        )
    n = gpus or processes
    loaded = load_experiment(file, overrides)
    if n is not None and n != loaded.experiment.training.processes:
        loaded = load_experiment(file, (*overrides, f"{PROCESSES}={n}"))
    return Placed(loaded, "cpu" if gpus == 0 else device, gpus or None)
