"""A run store that lives in one process's memory: for tests, and for trying things out without a trace."""

from __future__ import annotations

import math
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ablab.errors import NotFoundError
from ablab.spec.record import Role, RunRecord, Status, SubjectScore
from ablab.spec.trial import Trial
from ablab.tracking import lookup, provenance
from ablab.tracking.store import BaselineRun, CellSummary, Curve, Delivery, RunState, RunWriter


@dataclass(slots=True)
class _Run:
    trial: Trial
    role: Role
    folder: Path
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    status: Status = "running"
    started: float = field(default_factory=time.time)
    ended: float | None = None
    curves: dict[str, dict[int, float]] = field(default_factory=dict)
    final: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    subjects: tuple[SubjectScore, ...] = ()
    error: str | None = None

    @property
    def key(self) -> str:
        return self.trial.key

    def state(self) -> RunState:
        return RunState(
            run_id=self.run_id,
            key=self.trial.key,
            cell=self.trial.cell.id,
            seed=self.trial.seed,
            role=self.role,
            status=self.status,
            code_fingerprint=provenance.run_fingerprint(self.trial.cell.experiment),
            seconds=(time.time() if self.ended is None else self.ended) - self.started,
            host=socket.gethostname(),
            pid=os.getpid(),
            error=self.error,
        )

    def record(self) -> RunRecord:
        trial, state = self.trial, self.state()
        return RunRecord(
            run_id=self.run_id,
            key=trial.key,
            study=trial.study,
            cell=trial.cell.id,
            label=trial.cell.label,
            seed=trial.seed,
            factors=dict(trial.cell.factors),
            role=self.role,
            status=self.status,
            experiment=trial.cell.experiment,
            data_fingerprint=trial.data_fingerprint,
            code_fingerprint=state.code_fingerprint,
            started=datetime.fromtimestamp(self.started, UTC).isoformat(timespec="milliseconds"),
            seconds=state.seconds,
            metrics={name: points[max(points)] for name, points in self.curves.items()} | self.final,
            subjects=self.subjects if self.status == "finished" else (),
            error=self.error,
            origin=provenance.environment() | {k: v for k, v in self.tags.items() if k == "device"},
        )

    def end(self, status: Status, error: str | None = None) -> None:
        self.status, self.ended, self.error = status, time.time(), error


class _Writer:
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._is_open = True

    @property
    def run_id(self) -> str:
        return self._run.run_id

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._check_open()
        for name, value in values.items():
            if math.isfinite(value):
                self._run.curves.setdefault(name, {}).setdefault(step, float(value))

    def tag(self, values: Mapping[str, str]) -> None:
        self._check_open()
        self._run.tags.update(values)

    def artifact(self, file: Path, folder: str = "") -> None:
        self._check_open()
        target = self._run.folder / folder
        target.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            shutil.copytree(file, target, dirs_exist_ok=True)
        else:
            shutil.copy(file, target)

    def flush(self) -> None:
        """Nothing is buffered."""

    def finish(self, metrics: Mapping[str, float], subjects: Sequence[SubjectScore]) -> None:
        self._check_open()
        self._run.final = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        self._run.subjects = tuple(subjects)
        self._end("finished")

    def fail(self, error: str, traceback: str) -> None:
        self._check_open()
        (self._run.folder / "traceback.txt").write_text(traceback, encoding="utf-8")
        self._end("failed", lookup.first_line(error))

    def kill(self, reason: str) -> None:
        self._check_open()
        self._end("killed", lookup.first_line(reason))

    def _end(self, status: Status, error: str | None = None) -> None:
        self._run.end(status, error)
        self._is_open = False

    def _check_open(self) -> None:
        if not self._is_open:
            raise ValueError(f"run {self.run_id} has ended; nothing can be written to it any more")


class MemoryStore:
    """Runs in memory; see `ablab.tracking.store.RunStore`. Artifacts lie in a temporary folder of its own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ablab-", ignore_cleanup_errors=True)
        self._runs: dict[str, _Run] = {}
        self._superseded: set[str] = set()
        self._study_runs: dict[str, str] = {}
        self._touched: dict[str, int] = {}
        self.summaries: dict[str, dict[str, CellSummary]] = {}
        """Study -> cell -> summary."""
        self._study_tags: dict[tuple[str, str], str] = {}
        self.descriptions: dict[str, str] = {}
        """Study -> description."""
        self.baselines: dict[str, BaselineRun] = {}
        """Run id -> baseline."""

    @property
    def address(self) -> str:
        """What a user would call it."""
        return "memory"

    def tags(self, run_id: str) -> Mapping[str, str]:
        """Tags that were set on a run."""
        return dict(self._runs[run_id].tags)

    @property
    def is_shared(self) -> bool:
        """It dies with its process."""
        return False

    def study_tag(self, study: str, name: str) -> str | None:
        """A text kept with the study."""
        return self._study_tags.get((study, name))

    def tag_study(self, study: str, name: str, text: str | None) -> None:
        """Keep a text with the study, or remove it."""
        if text is None:
            self._study_tags.pop((study, name), None)
        else:
            self._study_tags[study, name] = text

    def answers(self) -> bool:
        """See `RunStore.answers`."""
        return True

    def open_run(self, trial: Trial, role: Role = "seed") -> RunWriter:
        """Create or continue the run of this trial."""
        self._touch(trial.study)
        run = next(
            (run for run in self._current(trial.study) if (run.key, run.role) == (trial.key, role)), None
        )
        if run is None or run.status == "finished":
            if run is not None:
                self._superseded.add(run.run_id)
            run = _Run(trial, role, Path(self._folder.name))
            run.folder = run.folder / run.run_id
            run.folder.mkdir()
            self._runs[run.run_id] = run
        else:
            run.status, run.started, run.ended, run.error = "running", time.time(), None, None
        return _Writer(run)

    def studies(self) -> tuple[str, ...]:
        """Names of all studies, the one written to last first."""
        return tuple(sorted(self._touched, key=lambda study: self._touched[study], reverse=True))

    def states(self, study: str) -> tuple[RunState, ...]:
        """State of the current run of every key and role."""
        return tuple(run.state() for run in self._current(study))

    def records(
        self, study: str, role: Role = "seed", *, cells: Collection[str] | None = None
    ) -> tuple[RunRecord, ...]:
        """Record of the current run of every key with this role."""
        if study not in self._touched:
            raise lookup.no_study(study, self.studies(), self.address)
        return tuple(
            run.record()
            for run in self._current(study)
            if run.role == role and (cells is None or run.trial.cell.id in cells)
        )

    def find(self, run: str) -> RunState:
        """The run with this run id or key prefix."""
        if run in self._runs:
            return self._runs[run].state()
        if not lookup.is_prefix(run):
            raise lookup.no_run(run)
        found = [one for study in self._touched for one in self._current(study) if one.key.startswith(run)]
        return lookup.pick(run, [(one.trial.study, one.state()) for one in found])

    def artifact(self, run_id: str, name: str) -> Path:
        """The artifact itself."""
        folder = self._folder_of(run_id)
        there = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
        if name not in there:
            raise NotFoundError(
                f"run {run_id} has no artifact '{name}'; there are: {', '.join(there) or 'none'}"
            )
        return folder / name

    def curves(self, run_id: str, beginning: tuple[str, ...] = ("",)) -> Mapping[str, Curve]:
        """Points by metric."""
        if run_id not in self._runs:
            raise lookup.no_run(run_id)
        run = self._runs[run_id]
        points = {name: dict(values) for name, values in run.curves.items()}
        last = max((step for values in points.values() for step in values), default=0)
        for name, value in run.final.items():
            points.setdefault(name, {}).setdefault(last, value)
        return {
            name: tuple(sorted(values.items()))
            for name, values in points.items()
            if name.startswith(beginning)
        }

    def courses(self, study: str, metric: str) -> Mapping[str, Curve]:
        """One metric's points of every run."""
        found = {run.run_id: self.curves(run.run_id) for run in self._current(study)}
        return {run_id: curves[metric] for run_id, curves in found.items() if metric in curves}

    def attach(self, run_id: str, file: Path, folder: str = "") -> None:
        """Keep a copy of a file."""
        target = self._folder_of(run_id) / folder
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)

    def tag(self, run_id: str, values: Mapping[str, str]) -> None:
        """Set tags of a run that has ended."""
        if run_id not in self._runs:
            raise lookup.no_run(run_id)
        self._runs[run_id].tags.update(values)

    def attach_to_study(self, study: str, files: Sequence[Path], folder: str = "") -> str:
        """Keep copies of files of the study as a whole."""
        self._touch(study)
        run_id = self._study_runs.setdefault(study, uuid.uuid4().hex)
        for file in files:
            self.attach(run_id, file, folder)
        return run_id

    def close(self, run_id: str, status: Status, reason: str) -> None:
        """End a run whose process is gone; a run that has ended by itself stays as it is."""
        if status not in ("failed", "killed"):
            raise ValueError(f"a run is closed as failed or killed, not {status}")
        run = self._runs[run_id]
        if run.status == "running":
            run.end(status, lookup.first_line(reason))

    def deliver(self, patience_seconds: float | None = None) -> Delivery:
        """Nothing is ever left: the runs go with the process."""
        return Delivery()

    def summarise(self, study: str, cells: Sequence[CellSummary]) -> None:
        """Keep the one summary of each cell."""
        self._touch(study)
        self.summaries.setdefault(study, {}).update({cell.cell: cell for cell in cells})

    def describe(self, study: str, text: str) -> None:
        """Keep the study's description."""
        self._touch(study)
        self.descriptions[study] = text

    def _folder_of(self, run_id: str) -> Path:
        if run_id not in self._runs and run_id not in self._study_runs.values():
            raise lookup.no_run(run_id)
        return Path(self._folder.name) / run_id

    def keep_baseline(self, run: BaselineRun) -> str:
        """Keep the run, where its key is not there yet."""
        for run_id, kept in self.baselines.items():
            if kept.key == run.key:
                return run_id
        run_id = uuid.uuid4().hex
        self.baselines[run_id] = run
        return run_id

    def _current(self, study: str) -> list[_Run]:
        return lookup.current(
            run
            for run in self._runs.values()
            if run.trial.study == study and run.run_id not in self._superseded
        )

    def _touch(self, study: str) -> None:
        self._touched[study] = max(self._touched.values(), default=0) + 1
