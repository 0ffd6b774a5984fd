"""A choice made by looking, on trial: the chosen cells on seeds that had no part in it, as a new study.

The new study's grid and experiments are files in the state root, so that ``ablab grid run`` can go on with it
like with any other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import count, islice

from ablab.comparison.findings import Findings
from ablab.comparison.recommendation import non_inferiority
from ablab.comparison.values import Effect
from ablab.errors import InputError
from ablab.orchestration.declared import analysis_of, write_atomically
from ablab.orchestration.study_comparison import compare_study, study_findings
from ablab.paths import Paths
from ablab.spec.experiment import Experiment
from ablab.spec.grid import Analysis, Contrast
from ablab.spec.identity import flatten
from ablab.spec.load import LoadedGrid, load_grid
from ablab.spec.writing import named_grid_yaml, resolved_yaml
from ablab.tracking.store import RunStore

REFERENCE, RECOMMENDED, BEST = "reference", "recommended", "best"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is trained again, and for which contrast."""

    cells: Mapping[str, Experiment]
    """Name in the new study (reference, recommended, best) -> experiment; the reference first."""
    origin: Mapping[str, str]
    """Name in the new study -> label of the cell in the old one."""
    treatment: str
    """The cell whose difference from the reference is declared."""


def confirmation(study: str, n_seeds: int, *, paths: Paths, store: RunStore) -> tuple[LoadedGrid, Choice]:
    """The grid that confirms a study's recommendation, written to the state root and loaded from there.

    Raises InputError where there is nothing to recommend or nothing to confirm, NotFoundError (study),
    MixedRecordsError, StoreError.
    """
    found = study_findings(study, paths=paths, store=store)
    declared = analysis_of(study, paths)
    experiments = (
        declared.cells
        if declared is not None
        else {record.cell: record.experiment for record in store.records(study)}
    )
    choice = choose(study, found, experiments)
    used = {state.seed for state in store.states(study)}
    comparison = found.comparison
    analysis = Analysis(
        metric=comparison.metric,
        sesoi=comparison.sesoi or Analysis().sesoi,
        alpha=comparison.alpha,
        model_scope=comparison.model_scope,
    )
    return fresh_study(study, choice, fresh_seeds(used, n_seeds), analysis, paths), choice


def against_best(
    loaded: LoadedGrid, choice: Choice, *, paths: Paths, store: RunStore
) -> tuple[Effect, str] | None:
    """Recommended minus best on the fresh seeds, and whether it is not worse, in words.

    None where they are one cell, or the recommended one is the reference, whose difference from the best is
    what is declared.
    """
    if not {RECOMMENDED, BEST} <= choice.cells.keys():
        return None
    compared = compare_study(loaded.study, paths=paths, store=store, baseline=BEST)
    row = next(row for row in compared.rows if row.cell == RECOMMENDED)
    assert row.effect is not None
    analysis = loaded.grid.analysis
    return row.effect, non_inferiority(row.effect, analysis.sesoi, analysis.alpha)


def choose(study: str, found: Findings, experiments: Mapping[str, Experiment]) -> Choice:
    """Reference, recommended and best cell of a study, each once.

    The declared contrast is recommended against reference, or, where the reference is what is
    recommended, best against reference.
    """
    advice, comparison = found.recommendation, found.comparison
    if advice is None:
        reasons = [text for text in found.unsupported if text.startswith("no recommendation")]
        raise InputError(f"study '{study}': {'; '.join(reasons)}")
    cells = {REFERENCE: comparison.baseline, RECOMMENDED: advice.cell, BEST: advice.best}
    if advice.best == comparison.baseline:
        raise InputError(
            f"study '{study}': its best cell is the reference ({comparison.reference.label}) itself; "
            "no improvement is left to confirm"
        )
    if cells[RECOMMENDED] in (cells[REFERENCE], cells[BEST]):
        del cells[BEST if cells[RECOMMENDED] == cells[BEST] else RECOMMENDED]
    labels = {row.cell: row.label for row in comparison.rows}
    return Choice(
        cells={name: experiments[cell] for name, cell in cells.items()},
        origin={name: labels[cell] for name, cell in cells.items()},
        treatment=RECOMMENDED if RECOMMENDED in cells else BEST,
    )


def fresh_study(
    study: str, choice: Choice, seeds: tuple[int, ...], analysis: Analysis, paths: Paths
) -> LoadedGrid:
    """Write ``<study>-confirm``: a named grid of the choice under ``seeds``; load it.

    analysis: metric, margin and error rate; its contrast is replaced by the choice's.
    """
    name = f"{study}-confirm"
    folder = paths.confirmation(study)
    for cell, experiment in choice.cells.items():
        named = experiment.model_copy(update={"name": cell})
        head = f"# {choice.origin[cell]} of study {study}\n"
        write_atomically(folder / f"{cell}.yaml", head + resolved_yaml(named))
    contrast = Contrast(treatment=choice.treatment, reference=next(iter(choice.cells)))
    declared = analysis.model_copy(update={"contrast": contrast, "controls": (), "claims": None})
    values = {f"analysis.{key}": value for key, value in flatten(declared).items() if value not in (None, ())}
    why = f"What study {study} suggests, on seeds that had no part in it."
    text = named_grid_yaml(name, {cell: f"{cell}.yaml" for cell in choice.cells}, seeds, values, why)
    file = folder / "grid.yaml"
    write_atomically(file, text)
    return load_grid(file)


def fresh_seeds(used: Collection[int], n: int) -> tuple[int, ...]:
    """The ``n`` smallest seeds that were not used.

    >>> fresh_seeds({0, 1, 2, 5}, 3)
    (3, 4, 6)
    """
    return tuple(islice((seed for seed in count() if seed not in used), n))
