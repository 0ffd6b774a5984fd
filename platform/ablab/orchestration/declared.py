"""What a study declared before anything was trained: kept beside the runs, so that ``compare`` need not ask.

Lives in the state root and not in the store: on another machine with the same store, a comparison falls
back to the defaults and says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablab.designs.controls import is_control
from ablab.designs.expand import cells, contrast
from ablab.designs.placebos import seeds_of
from ablab.errors import InputError, SpecError
from ablab.paths import Paths
from ablab.spec.claims import Ledger
from ablab.spec.experiment import Experiment, Level
from ablab.spec.grid import Analysis, Grid
from ablab.spec.identity import trial_key
from ablab.spec.load import LoadedGrid
from ablab.spec.record import RunRecord
from ablab.spec.trial import Cell


@dataclass(frozen=True, slots=True)
class DeclaredAnalysis:
    """The analysis block with its contrast resolved to cell ids, and the trials it is about."""

    analysis: Analysis
    reference: str
    treatment: str
    cells: Mapping[str, Experiment]
    """Cell id -> what its runs were to train."""
    seeds: tuple[int, ...]
    levels: Mapping[str, tuple[Level, ...]]
    """Factor -> its levels, the reference first; of a named design the keys in which its cells differ."""
    grid: Grid
    bases: Mapping[str, Experiment]
    """'' -> the base experiment; in a named design, cell -> its experiment."""
    source: Path
    """The grid's file."""
    overrides: tuple[str, ...] = ()
    """``key=value`` texts that were laid over the files."""
    claims: Ledger | None = None
    """What the study was to decide, as its claims file said it then."""

    def holds(self, record: RunRecord) -> bool:
        """Whether the run is one of this grid's trials, on whatever version of the data.

        A study whose spec was edited between its runs keeps the runs of both; they differ in more than the
        declared factors, and only those of the last declaration may be compared.
        """
        experiment = self.cells.get(record.cell)
        if experiment is None or record.seed not in seeds_of(record.cell, self.seeds):
            return False
        return trial_key(experiment, record.data_fingerprint, record.seed) == record.key


def studies_folder(paths: Paths) -> Path:
    """One file per study that was run here, and one per pilot."""
    return paths.root / "studies"


def declare(loaded: LoadedGrid, paths: Paths) -> Path:
    """Write down what the grid declares, replacing what its last run declared; returns the file."""
    treatment, reference = contrast(loaded.grid, cells(loaded.grid, loaded.bases))
    facts = {
        "study": loaded.study,
        "source": os.path.abspath(loaded.source),  # noqa: PTH100 - a link in the path stays a link
        "overrides": list(loaded.overrides),
        "grid": loaded.grid.model_dump(mode="json"),
        "bases": {name: base.model_dump(mode="json") for name, base in loaded.bases.items()},
        "reference": reference.id,
        "treatment": treatment.id,
        "claims": None if loaded.claims is None else loaded.claims.model_dump(mode="json"),
    }
    file = studies_folder(paths) / f"{loaded.study}.json"
    write_atomically(file, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return file


def analysis_of(study: str, paths: Paths) -> DeclaredAnalysis | None:
    """What the study declared at its last run; None where it was never run from this state root.

    Raises InputError where the file is damaged or of another version.
    """
    file = studies_folder(paths) / f"{study}.json"
    if not file.is_file():
        return None
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        grid = Grid.model_validate_json(json.dumps(facts["grid"]))
        bases = {
            name: Experiment.model_validate_json(json.dumps(base)) for name, base in facts["bases"].items()
        }
        planned = cells(grid, bases)
        return DeclaredAnalysis(
            analysis=grid.analysis,
            reference=facts["reference"],
            treatment=facts["treatment"],
            cells={cell.id: cell.experiment for cell in planned},
            seeds=grid.seeds,
            levels=_levels(planned),
            grid=grid,
            bases=bases,
            source=Path(facts["source"]),
            overrides=tuple(facts.get("overrides", ())),  # absent in declarations of version 0.1
            claims=_claims(facts.get("claims")),  # absent in declarations of earlier versions
        )
    except (ValueError, KeyError, SpecError) as error:
        raise InputError(
            f"{file}: does not read as a declared grid ({str(error).splitlines()[0]}); 'ablab grid run FILE' "
            "writes it again; deleted, the default analysis is used"
        ) from error


def _levels(planned: Sequence[Cell]) -> dict[str, tuple[Level, ...]]:
    """In the order of the cells, which every design lists with its levels in the order of the file."""
    levels: dict[str, list[Level]] = {}
    for cell in planned:
        if not is_control(cell.id):
            for key, level in cell.factors.items():
                known = levels.setdefault(key, [])
                if level not in known:
                    known.append(level)
    return {key: tuple(known) for key, known in levels.items() if len(known) > 1}


def _claims(facts: object) -> Ledger | None:
    return None if facts is None else Ledger.model_validate_json(json.dumps(facts))


def write_atomically(file: Path, text: str) -> None:
    """Write a whole file or nothing, whatever reads or dies meanwhile."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)
