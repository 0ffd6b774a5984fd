"""The contract of a run store: what is kept of every run, and how it is found again.

Promises that every store keeps, held by one shared test class (``tests/tracking/test_store_contract.py``):

- A run is opened once per key and role. Opening a key again continues the same run (status running),
  unless it is finished: then a new run is opened and the old one is marked superseded, so that
  ``records`` and ``states`` never hand out two runs of one key.
- ``RunWriter`` is used by one process at a time. What it is told outlives the process, also while the store
  is away; ``flush``, ``finish``, ``fail`` and ``kill`` see to it that it outlives the machine too, and wait a
  few seconds for it to arrive. What has not arrived then, ``deliver`` brings in. Writing the same
  (metric, step) twice keeps the first.
- ``finish`` is the last act of a run: a record that reads ``finished`` is complete.
- Reads see all that was flushed before they began, unless the store was away. Nothing is ever deleted.
- Every failure to reach or write the store raises ``StoreError`` with the address and what to do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ablab.spec.record import Role, RunRecord, Status, SubjectScore
from ablab.spec.trial import Trial

Curve = tuple[tuple[int, float], ...]
"""(step, value) by rising step."""


@dataclass(frozen=True, slots=True)
class RunState:
    """Where one run of a study stands; cheap to read for thousands of runs."""

    run_id: str
    key: str
    cell: str
    seed: int
    role: Role
    status: Status
    code_fingerprint: str
    seconds: float
    host: str
    pid: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CellSummary:
    """What the one summary run of a cell shows in MLflow (``role = 'cell'``); never read as a source."""

    cell: str
    label: str
    factors: Mapping[str, object]
    metrics: Mapping[str, float]
    """Such as ``test/pearson``, ``test/pearson_sd``, ``test/pearson_ci_low``, ``seeds``."""


@dataclass(frozen=True, slots=True)
class Left:
    """A run of which the store has not taken all."""

    run_id: str
    study: str
    name: str
    """Study, cell and seed, for people."""
    folder: Path
    """The journal's."""
    reason: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of bringing journals in."""

    delivered: tuple[str, ...] = ()
    """Ids of the runs that the store has whole now."""
    left: tuple[Left, ...] = ()


BASELINES = "baselines"
"""Where baseline runs stand; no study, so that nothing compares them."""


@dataclass(frozen=True, slots=True)
class BaselineRun:
    """A baseline's result as one finished run (``role = 'baseline'``)."""

    key: str
    """Content hash of what the result hangs on."""
    label: str
    tags: Mapping[str, str]
    """Flat tags for filters, besides those that every baseline run has."""
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    subjects: tuple[SubjectScore, ...]


class FinishedAfterAllError(Exception):
    """The run of a key was found finished once all that an earlier attempt had left of it was delivered."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id


class RunWriter(Protocol):
    """Writes one run while it trains."""

    @property
    def run_id(self) -> str:
        """The store's id of the run."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Append finite scalars at a step."""

    def tag(self, values: Mapping[str, str]) -> None:
        """Set tags; a later value of the same tag replaces the earlier one."""

    def artifact(self, file: Path, folder: str = "") -> None:
        """Keep a copy of a file in ``folder``, or of all that a folder holds, its own name left out."""

    def flush(self) -> None:
        """Write out what is buffered."""

    def finish(self, metrics: Mapping[str, float], subjects: Sequence[SubjectScore]) -> None:
        """Store the final metrics and the per-subject table, then mark the run finished."""

    def fail(self, error: str, traceback: str) -> None:
        """Mark the run failed; the traceback becomes an artifact."""

    def kill(self, reason: str) -> None:
        """Mark the run killed: interrupted from outside, to be run again."""


class RunStore(Protocol):
    """Keeps runs, one experiment per study."""

    @property
    def address(self) -> str:
        """Where the store is, as a user would name it, without any password."""

    @property
    def is_shared(self) -> bool:
        """Whether commands with another state root may write to it: it does not lie under this one."""

    def answers(self) -> bool:
        """Whether the store is there; known within seconds."""

    def study_tag(self, study: str, name: str) -> str | None:
        """A text kept with the study; None where there is none, or no such study."""

    def tag_study(self, study: str, name: str, text: str | None) -> None:
        """Keep a text under the study's name; None removes it. By itself it makes no study."""

    def open_run(self, trial: Trial, role: Role = "seed") -> RunWriter:
        """Create or continue the run of this trial, with its spec, params, tags and provenance.

        Raises FinishedAfterAllError where an attempt with the same code had finished it and died before that
        was delivered: nothing is left to train.
        """

    def studies(self) -> tuple[str, ...]:
        """Names of all studies, the one written to last first."""

    def states(self, study: str) -> tuple[RunState, ...]:
        """State of the current run of every (key, role); empty for a study that does not exist."""

    def records(
        self, study: str, role: Role = "seed", *, cells: Collection[str] | None = None
    ) -> tuple[RunRecord, ...]:
        """Record of the current run of every key with this role; comparisons read role 'seed'.

        cells: ids of the cells whose runs are wanted; None for all.

        Raises NotFoundError, naming the nearest studies, where the study does not exist.
        """

    def find(self, run: str) -> RunState:
        """The run with this run id, or whose key begins with ``run`` (6 characters or more).

        Of several runs of one key the seed run. Raises NotFoundError where there is none, or more than one,
        naming them.
        """

    def artifact(self, run_id: str, name: str) -> Path:
        """A local copy of an artifact of a run, such as ``train.log`` or ``spec.yaml``.

        Raises NotFoundError where the run has none of that name.
        """

    def curves(self, run_id: str, beginning: tuple[str, ...] = ("",)) -> Mapping[str, Curve]:
        """The points of every metric of a run whose name begins so, by rising step.

        Of a step written twice the first value: a final value that stands at the last step, such as the best
        checkpoint's validation r, is in the record and not on the curve.

        Raises NotFoundError where there is no such run.
        """

    def courses(self, study: str, metric: str) -> Mapping[str, Curve]:
        """One metric's points of every run of a study, by run id; runs without it are absent.

        As ``curves``, in one reading for thousands of runs.
        """

    def attach(self, run_id: str, file: Path, folder: str = "") -> None:
        """Keep a further file of a run that may have ended, replacing one of the same name.

        Raises NotFoundError where there is no such run.
        """

    def tag(self, run_id: str, values: Mapping[str, str]) -> None:
        """Set tags of a run that has ended.

        Raises NotFoundError where there is no such run.
        """

    def attach_to_study(self, study: str, files: Sequence[Path], folder: str = "") -> str:
        """Keep files of the study as a whole, replacing those of the same name; returns the id of their run.

        They lie with the one run of the study whose role is ``study``, which no reader takes for a trial.
        """

    def close(self, run_id: str, status: Status, reason: str) -> None:
        """End a run whose process is gone, once all that the process has written of it has arrived."""

    def deliver(self, patience_seconds: float | None = None) -> Delivery:
        """Bring in what processes that are gone have written and the store has not taken yet.

        Journals of living processes are left to them. A store that does not answer, or refuses, is a reason
        in ``left`` and no error.
        ``patience_seconds``: how long to wait for a store that is away; None for as long as any write does.
        """

    def summarise(self, study: str, cells: Sequence[CellSummary]) -> None:
        """Write the one summary run of each cell, replacing what was there."""

    def describe(self, study: str, text: str) -> None:
        """Set the study's description (Markdown), shown on top of its page."""

    def keep_baseline(self, run: BaselineRun) -> str:
        """Record a baseline's result once per key; returns the run's id.

        It stands in no study: neither ``studies`` nor ``records`` hand it out.
        """
