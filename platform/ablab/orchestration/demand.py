"""What one trial takes of a machine: GPUs and cores."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ablab.orchestration.launchers import Place
from ablab.spec.trial import Trial


@dataclass(frozen=True, slots=True, order=True)
class Demand:
    """What has to be free where a trial starts, for as long as it runs."""

    gpus: float
    """Whole GPUs, or a share of one."""
    cpus: int

    def __str__(self) -> str:
        gpus = f"{self.gpus:g} GPU{'' if self.gpus == 1 else 's'}"
        return f"{gpus} and {self.cpus} core{'' if self.cpus == 1 else 's'}"


def placed(place: Place, demand: Demand) -> Place:
    """On the GPUs that have been set aside for a trial, or on none.

    Not on what "auto" would find there: the CPU, where CUDA does not work, or GPUs of others.
    """
    if demand.gpus:
        return replace(place, device="cuda", gpu_share=min(demand.gpus, 1.0))
    return replace(place, device="cpu")


def demand_of(trial: Trial, gpus_per_trial: float | None, device: str, *, gpus_there: bool) -> Demand:
    """A GPU for each process and a core for each thread, unless a share of a GPU or none is asked for.

    gpus_there: whether there are GPUs at all, where nobody has said how many a trial gets.
    """
    training = trial.cell.experiment.training
    cpus = training.processes * training.threads
    if device == "cpu" or gpus_per_trial == 0 or (gpus_per_trial is None and not gpus_there):
        return Demand(0, cpus)
    if gpus_per_trial is not None and gpus_per_trial < 1:
        return Demand(gpus_per_trial, cpus)
    return Demand(training.processes, cpus)
