"""The contract of the log of gates: one run with ``role = 'gate'`` for each, in the study of its candidates.

A gate's run is open while the gate is at work; one that is interrupted or dies is closed as any run is, with
``RunStore.close``. Promises are held for a database and for a server by ``tests/tracking/test_gates.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ablab.spec.record import Status


@dataclass(frozen=True, slots=True)
class GateRun:
    """One gate, as the store holds it."""

    run_id: str
    study: str
    status: Status
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


class GateLog(Protocol):
    """Keeps what gates found."""

    def open(self, study: str, gate: str, tags: Mapping[str, str]) -> str:
        """Begin the run of a gate; returns its run id. Repeated, it finds the same run."""

    def finish(
        self,
        run_id: str,
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
        files: Mapping[str, str],
    ) -> None:
        """Write what was found, files (name -> text) included, and end the run as its last act."""

    def names(self) -> tuple[str, ...]:
        """Names under which `gates` finds any, sorted."""

    def gates(self, name: str) -> tuple[GateRun, ...]:
        """Gates whose regression, baseline or study has this name, oldest first."""
