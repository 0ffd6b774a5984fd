"""A search's winner and its base as a study of two cells under fresh seeds, and what became of the gain."""

from __future__ import annotations

from dataclasses import replace

from ablab.comparison.searched import Confirmation, Point, SearchReport, confirmed_value
from ablab.errors import AblabError
from ablab.orchestration.confirmation import Choice, fresh_study
from ablab.orchestration.declared import analysis_of
from ablab.orchestration.search_declared import DeclaredSearch
from ablab.orchestration.study_comparison import compare_study
from ablab.paths import Paths
from ablab.spec.grid import Analysis
from ablab.spec.identity import trial_key
from ablab.spec.load import LoadedGrid, with_values
from ablab.spec.load_search import LoadedSearch
from ablab.tracking.store import RunStore

BASE, WINNER = "base", "winner"


def confirm_grid(loaded: LoadedSearch, report: SearchReport, paths: Paths) -> LoadedGrid | None:
    """The study of two cells, written to the state root; None where there is nothing to confirm.

    All subjects of the base, and seeds that the search has not seen.
    """
    search, winner = loaded.search, report.winner
    if search.confirm is None or winner is None or winner.is_base:
        return None
    choice = Choice(
        cells={BASE: loaded.base, WINNER: with_values(loaded.base, winner.levels)},
        origin={BASE: "the base", WINNER: f"point {winner.number}"},
        treatment=WINNER,
    )
    analysis = Analysis(sesoi=search.confirm.sesoi, alpha=search.confirm.alpha)
    grid = fresh_study(loaded.study, choice, search.fresh_seeds, analysis, paths)
    return replace(grid, grid=grid.grid.model_copy(update={"resources": search.resources}))


def confirmation(
    declared: DeclaredSearch, winner: Point | None, base: Point | None, paths: Paths, store: RunStore
) -> Confirmation | None:
    """What the fresh seeds say; None where they were not trained yet, or for another winner."""
    name = f"{declared.study}-confirm"
    made = analysis_of(name, paths)
    if made is None or winner is None or winner.value is None or winner.is_base:
        return None
    search = declared.search
    finished = [each for each in store.records(name) if each.status == "finished" and made.holds(each)]
    of = {cell: [each for each in finished if each.cell == cell] for cell in (BASE, WINNER)}
    wanted = with_values(made.cells[BASE], winner.levels)
    if not all(of.values()) or trial_key(made.cells[WINNER], "", 0) != trial_key(wanted, "", 0):
        return None
    try:
        comparison = compare_study(name, paths=paths, store=store)
    except AblabError:
        return None
    return Confirmation(
        study=name,
        objective=search.objective,
        searched=winner.value,
        confirmed=confirmed_value(of[WINNER], search.objective, search.subjects),
        n_seeds=len({record.seed for record in of[WINNER]}),
        base_searched=None if base is None else base.value,
        base_confirmed=confirmed_value(of[BASE], search.objective, search.subjects),
        comparison=comparison,
    )
