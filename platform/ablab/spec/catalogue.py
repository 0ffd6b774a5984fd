"""The experiments of a folder, with what does not load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ablab.errors import NotFoundError, Problem, SpecError
from ablab.spec.load import load_experiment


@dataclass(frozen=True, slots=True)
class Listed:
    """One experiment file."""

    name: str
    file: Path
    notes: str | None


def list_experiments(folder: Path) -> tuple[tuple[Listed, ...], tuple[Problem, ...]]:
    """The experiments in ``folder`` by file name, and every fault of the files that are none."""
    if not folder.is_dir():
        raise NotFoundError(f"{folder}: no such folder; give the one that holds the experiment files")
    found: list[Listed] = []
    problems: list[Problem] = []
    # A leading dot hides drafts of files that are being written.
    for file in sorted(file for file in folder.glob("*.y*ml") if not file.name.startswith(".")):
        try:
            experiment = load_experiment(file).experiment
        except SpecError as error:
            problems += error.problems
        else:
            found.append(Listed(experiment.name, file, experiment.notes))
    return tuple(found), tuple(dict.fromkeys(problems))
