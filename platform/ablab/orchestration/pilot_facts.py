"""What a pilot measured, kept beside the studies for plans: time per epoch and how much differences vary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ablab.orchestration.declared import studies_folder, write_atomically
from ablab.paths import Paths


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of paired validation differences, treatment minus reference."""

    sd_subject: float
    sd_seed: float
    sd_residual: float
    n_subjects: int


@dataclass(frozen=True, slots=True)
class PilotFacts:
    """One pilot of one study."""

    epochs: int
    n_seeds: int
    seconds_per_epoch: Mapping[str, float]
    """By cell id; with start and final evaluation shared out."""
    spread: Spread | None
    """None where fewer than two subjects or seeds were scored in both cells."""


def keep(study: str, facts: PilotFacts, paths: Paths) -> Path:
    """Write the facts, replacing those of an earlier pilot; returns the file."""
    file = _file(study, paths)
    write_atomically(file, json.dumps(asdict(facts), indent=1, ensure_ascii=False) + "\n")
    return file


def pilot_of(study: str, paths: Paths) -> PilotFacts | None:
    """The facts of the study's last pilot; None where there was none."""
    file = _file(study, paths)
    if not file.is_file():
        return None
    facts = json.loads(file.read_text(encoding="utf-8"))
    spread = facts.pop("spread")
    return PilotFacts(**facts, spread=None if spread is None else Spread(**spread))


def _file(study: str, paths: Paths) -> Path:
    return studies_folder(paths) / f"{study}.pilot.json"
