"""Where a study stands, from the store alone: no grid file is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ablab.orchestration.claim import claimant
from ablab.orchestration.lock import holder
from ablab.paths import Paths
from ablab.tracking.lookup import no_study
from ablab.tracking.store import RunState, RunStore

STATUSES = ("finished", "failed", "killed", "running")


@dataclass(frozen=True, slots=True)
class StudyStatus:
    """The runs of a study."""

    study: str
    runs: tuple[RunState, ...]
    """Seed runs, in the store's order."""
    pilots: int
    """Pilot runs, which no comparison reads."""
    orchestrator: str | None
    """The process that runs the study now; None where none does."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of runs by status."""
        counted = Counter(run.status for run in self.runs)
        return {status: counted[status] for status in STATUSES}  # type: ignore[index]

    def as_json(self) -> Mapping[str, object]:
        """The object that ``grid status --json`` prints; its schema is ``docs/json/grid_status.json``."""
        return {
            "study": self.study,
            **self.counts,
            "orchestrator": self.orchestrator,
            "runs": [
                {
                    "run_id": run.run_id,
                    "key": run.key,
                    "cell": run.cell,
                    "seed": run.seed,
                    "status": run.status,
                    "seconds": round(run.seconds, 3),
                    "error": run.error,
                }
                for run in self.runs
            ],
        }


def study_status(study: str, *, paths: Paths, store: RunStore) -> StudyStatus:
    """The study's runs and who works on them. Raises NotFoundError, naming the nearest study."""
    states = store.states(study)
    if not states and study not in (studies := store.studies()):
        raise no_study(study, studies, store.address)
    runs = tuple(state for state in states if state.role == "seed")
    who = holder(study, paths) or claimant(study, store)
    return StudyStatus(study, runs, sum(state.role == "pilot" for state in states), who)


def lines(status: StudyStatus) -> tuple[str, ...]:
    """What ``grid status`` prints: one line per cell, and what failed."""
    cells: dict[str, Counter[str]] = {}
    for run in status.runs:
        cells.setdefault(run.cell, Counter())[run.status] += 1
    width = max((len(cell) for cell in cells), default=0)
    rows = [
        f"  {cell:{width}}  " + "   ".join(f"{of[each]} {each}" for each in STATUSES if of[each])
        for cell, of in cells.items()
    ]
    total = "   ".join(f"{n} {name}" for name, n in status.counts.items() if n) or "no runs"
    pilots = f"   {status.pilots} pilot" if status.pilots else ""
    failed = [
        f"! {run.cell} seed {run.seed} {run.status}: {run.error or 'no reason known'}"
        f"   ablab logs {run.key[:8]}"
        for run in status.runs
        if run.status == "failed"
    ]
    now = f"run by {status.orchestrator}" if status.orchestrator else "nobody runs it now"
    return (f"{status.study}: {total}{pilots}   {now}", *rows, *failed)
