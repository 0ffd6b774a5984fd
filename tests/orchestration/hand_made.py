"""Trials and run states made by hand."""

from __future__ import annotations

import hashlib

from ablab.spec.experiment import Experiment
from ablab.spec.record import Role, Status
from ablab.spec.trial import Cell, Trial
from ablab.tracking.store import RunState


def cell(residual: str = "none") -> Cell:
    """A cell of one factor; a level that the spec does not know tells an act how to end."""
    known = residual if residual in ("global", "gated") else "none"
    return Cell(
        id=f"residual={residual}",
        label=residual,
        factors={"improvements.residual": residual},
        experiment=Experiment.model_validate({"name": "tiny", "improvements": {"residual": known}}),
    )


def trial(residual: str = "none", seed: int = 0, study: str = "quick") -> Trial:
    key = hashlib.sha256(f"{residual} {seed}".encode()).hexdigest()[:32]
    return Trial(key, study, cell(residual), seed, "data")


def state(
    of: Trial,
    status: Status = "finished",
    code: str = "now",
    role: Role = "seed",
    host: str = "here",
    pid: int = 1,
) -> RunState:
    return RunState(f"run-{of.key[:6]}", of.key, of.cell.id, of.seed, role, status, code, 1.0, host, pid)
