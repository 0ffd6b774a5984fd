"""Running a search: points are drawn and trained until the budget is spent, then the winner is confirmed.

One process orchestrates a search at a time. It may die at any moment: the next run goes on with what is
missing.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ablab.comparison.searched import SearchReport
from ablab.errors import StaleRunsError
from ablab.orchestration.gpus import device_for
from ablab.orchestration.grid import opened, run_grid, settled_states
from ablab.orchestration.interruption import interruptible
from ablab.orchestration.launcher_table import find_launcher, read_options
from ablab.orchestration.launchers import Place, Request
from ablab.orchestration.lock import study_lock
from ablab.orchestration.progress import Progress, Silence
from ablab.orchestration.result import GridResult
from ablab.orchestration.search_confirmation import confirm_grid
from ablab.orchestration.search_declared import declare_search, is_declared
from ablab.orchestration.search_report import search_report
from ablab.orchestration.selection import Selection, StaleChoice
from ablab.orchestration.session import Session
from ablab.paths import Paths
from ablab.spec.identity import trial_key
from ablab.spec.load_search import LoadedSearch
from ablab.spec.space import n_points
from ablab.spec.trial import Cell, Trial
from ablab.tracking.provenance import code_fingerprint, run_fingerprint
from ablab.tracking.store import RunStore

if TYPE_CHECKING:
    from ablab.orchestration.optuna.search import SearchStudy


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What one invocation of a search did, and where the search stands."""

    result: GridResult
    """Runs of the points."""
    confirmed: GridResult | None
    """Runs of the confirmation; None where it was not begun."""
    report: SearchReport

    @property
    def exit_code(self) -> int:
        """130 where it was interrupted, 1 where a run failed, else 0."""
        return max(self.result.exit_code, self.confirmed.exit_code if self.confirmed else 0)


def run_search(
    loaded: LoadedSearch,
    *,
    paths: Paths,
    store: RunStore,
    launcher: str = "local",
    launcher_options: Sequence[str] = (),
    workers: int | None = None,
    stale: StaleChoice | None = None,
    keep_going: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
) -> SearchResult:
    """Search until the budget of points is spent, then confirm the winner; goes on where it was left.

    launcher_options: ``key=value`` for the launcher. workers: runs at once; None for as many as there is room
    for. keep_going: see `ablab.orchestration.retries`. stale: what to do where points were trained by other
    code: ``keep`` goes on with them, ``rerun`` begins anew.

    Raises StudyLockedError, StaleRunsError, DataError, StoreError, and InputError, with nothing written, for
    a launcher that there is not, or that cannot do what is asked.
    """
    began = time.monotonic()
    progress = progress or Silence()
    kind = find_launcher(launcher)
    options = read_options(kind, launcher_options)
    device = device_for(device, loaded.search.resources.gpus_per_trial)
    with interruptible(signal.SIGINT, signal.SIGTERM), study_lock(loaded.study, paths, store):
        queue, request = _prepare(loaded, paths, store, workers, stale, progress)
        request = replace(request, options=options)
        expected = len(request.trials)
        if not expected:
            queue()
        session = Session(loaded.study, Selection((), ()), queue, store, progress, began, expected=expected)
        result = session.run(kind, Place.here(paths.root, "search", device), request, keep_going=keep_going)
    if result.interrupted and not is_declared(loaded.study, paths):
        raise KeyboardInterrupt  # before the launcher was there: nothing was begun that a report could show
    confirmed = None
    report = search_report(loaded.study, paths=paths, store=store)
    spent = sum(point.state in ("complete", "pruned", "failed") for point in report.points)
    confirming = confirm_grid(loaded, report, paths) if spent >= report.planned else None
    if confirming is not None and not result.interrupted:
        confirmed = run_grid(
            confirming,
            paths=paths,
            store=store,
            launcher=launcher,
            launcher_options=launcher_options,
            workers=workers,
            stale=stale,
            keep_going=keep_going,
            device=device,
            progress=progress,
        )
        report = search_report(loaded.study, paths=paths, store=store)
    return SearchResult(result, confirmed, report)


def _prepare(
    loaded: LoadedSearch,
    paths: Paths,
    store: RunStore,
    workers: int | None,
    stale: StaleChoice | None,
    progress: Progress,
) -> tuple[Callable[[], SearchStudy], Request]:
    """What makes the queue of points, and the request to the launcher: about so many runs like the base's."""
    from ablab.orchestration.optuna.point import Ended
    from ablab.orchestration.optuna.search import SearchStudy, earlier, forget, study_name

    study, base = loaded.study, loaded.searched
    settled_states(study, "search", paths, store, progress)
    data = opened(base.dataset, paths, progress)
    code = run_fingerprint(base, code_fingerprint())
    name = study_name(loaded, data)
    before = earlier(name, paths)
    is_stale = before.code not in (None, code)
    if is_stale and stale is None:
        raise StaleRunsError(_stale_text(loaded, str(before.code), code))
    anew = is_stale and stale == "rerun"
    objective = loaded.search.objective
    records = store.records(study, "search") if study in store.studies() else ()
    done = {
        record.key: Ended(record.metrics[objective], record.subjects, record.seconds)
        for record in records
        if record.status == "finished"
        and objective in record.metrics
        and (record.code_fingerprint == code or stale == "keep")
    }

    def queue() -> SearchStudy:
        """Not before the launcher has taken the request: nothing is written until then."""
        if anew:
            forget(name, paths)
        made = SearchStudy(loaded, data, paths, code=code, done=done, note=progress.note)
        declare_search(loaded, name, paths)
        return made

    left = n_points(loaded.search, loaded.space) - (0 if anew else before.n_ended)
    expected = max(0, left) * loaded.search.seeds_per_trial
    cell = Cell("base", "base", {}, base)
    like = Trial(trial_key(base, data, 0), study, cell, 0, data)
    return queue, Request((like,) * expected, workers, loaded.search.resources.gpus_per_trial)


def _stale_text(loaded: LoadedSearch, before: str, code: str) -> str:
    lines: Sequence[str] = (
        f"{loaded.study}: its points were trained by other code ({before[:8]}) than is here ({code[:8]});",
        "choose what to do with them:",
        "  --stale rerun   begin the search anew with the code as it is now",
        "  --stale keep    keep them, and go on",
    )
    return "\n".join(lines)
