"""From a loaded grid to its trials: one body of data under all cells, and a key for every trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ablab.designs.expand import cells, trials_of
from ablab.errors import InputError
from ablab.spec.experiment import Dataset
from ablab.spec.load import LoadedGrid
from ablab.spec.trial import Cell, Trial


def planned(loaded: LoadedGrid, fingerprint: Callable[[Dataset], str]) -> tuple[Trial, ...]:
    """The grid's trials in file order; ``fingerprint`` opens or looks at a data set and names its content.

    Raises InputError where cells would train on different data: no comparison could use them.
    """
    found = cells(loaded.grid, loaded.bases)
    return trials_of(found, loaded.grid, shared_fingerprint(found, fingerprint), loaded.study)


def shared_fingerprint(of: Sequence[Cell], fingerprint: Callable[[Dataset], str]) -> str:
    """The one fingerprint of all cells' data."""
    found: dict[Dataset, str] = {}
    first = of[0]
    for cell in of:
        dataset = cell.experiment.dataset
        if dataset not in found:
            found[dataset] = fingerprint(dataset)
        if found[dataset] != found[first.experiment.dataset]:
            raise InputError(
                f"cells {first.id!r} and {cell.id!r} would train on different data; a grid compares cells on"
                " the same data: make one grid per data set"
            )
    return found[first.experiment.dataset]
