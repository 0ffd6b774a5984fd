"""One trial trained by several processes, one per GPU: as `run`, with ``training.processes`` of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from ablab.data.datasets import open_corpus
from ablab.errors import TrialError
from ablab.paths import Paths
from ablab.spec.trial import Trial
from ablab.tracking.provenance import run_fingerprint
from ablab.training.distributed import place_of
from ablab.training.messages import Seat
from ablab.training.observer import Observer
from ablab.training.processes import in_processes
from ablab.training.restart import Origin, find
from ablab.training.run import Outcome, run


def run_together(
    trial: Trial,
    root: Path,
    folder: Path,
    observer: Observer,
    *,
    device: str = "auto",
    origin: Origin,
    asked_to_stop: Callable[[], bool],
) -> Outcome:
    """See `run`; what is found in ``folder`` of this ``origin`` is gone on with.

    root: the state root. device: ``auto`` (a GPU for each process where there are GPUs) or ``cpu``.
    """
    outcome: Outcome = in_processes(
        trial.cell.experiment.training.processes,
        _run,
        (trial, root, folder, origin),
        folder=folder,
        observer=observer,
        device=device,
        asked_to_stop=asked_to_stop,
    )
    return outcome


def device_type(device: str, processes: int) -> str:
    """``cpu`` or ``cuda``: where so many processes will train. The calling process opens no GPU for it, which
    would take half a GiB of the first one's.

    >>> device_type("cpu", 2)
    'cpu'
    """
    return place_of(0, processes, device, torch.cuda.device_count()).type


def _run(seat: Seat, trial: Trial, root: Path, folder: Path, origin: Origin) -> Outcome:
    if run_fingerprint(trial.cell.experiment) != origin.code:
        # The trial's own process has loaded its code before; those that torchrun starts read it now.
        raise TrialError("the code was changed while the grid was running; run it again")
    return run(
        trial,
        open_corpus(trial.cell.experiment.dataset, Paths(root)),
        folder,
        seat.observer,
        device=seat.device,
        world=seat.world,
        restart=find(folder, origin),
        asked_to_stop=seat.asked_to_stop,
    )
