"""What a study declared before anything was trained: kept beside the runs, so that ``compare`` need not ask.

Lives in the state root and not in the store: on another machine with the same store, a comparison falls
back to the defaults and says so.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ablab.designs.expand import cells, contrast
from ablab.paths import Paths
from ablab.spec.grid import Analysis, Grid
from ablab.spec.load import LoadedGrid


@dataclass(frozen=True, slots=True)
class DeclaredAnalysis:
    """The analysis block with its contrast resolved to cell ids."""

    analysis: Analysis
    reference: str
    treatment: str


def studies_folder(paths: Paths) -> Path:
    """One file per study that was run here, and one per pilot."""
    return paths.root / "studies"


def declare(loaded: LoadedGrid, paths: Paths) -> Path:
    """Write down what the grid declares, replacing what its last run declared; returns the file."""
    treatment, reference = contrast(loaded.grid, cells(loaded.grid, loaded.bases))
    facts = {
        "study": loaded.study,
        "source": os.path.abspath(loaded.source),  # noqa: PTH100 - a link in the path stays a link
        "grid": loaded.grid.model_dump(mode="json"),
        "bases": {name: base.model_dump(mode="json") for name, base in loaded.bases.items()},
        "reference": reference.id,
        "treatment": treatment.id,
    }
    file = studies_folder(paths) / f"{loaded.study}.json"
    write_atomically(file, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return file


def analysis_of(study: str, paths: Paths) -> DeclaredAnalysis | None:
    """What the study declared at its last run; None where it was never run from this state root."""
    file = studies_folder(paths) / f"{study}.json"
    if not file.is_file():
        return None
    facts = json.loads(file.read_text())
    grid = Grid.model_validate_json(json.dumps(facts["grid"]))
    return DeclaredAnalysis(grid.analysis, facts["reference"], facts["treatment"])


def write_atomically(file: Path, text: str) -> None:
    """Write a whole file or nothing, whatever reads or dies meanwhile."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)
