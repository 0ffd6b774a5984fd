"""A run as MLflow holds it, and what it means: tags out of a trial, states and records out of tags.

Pure; imports no MLflow. What a reader needs in one go (spec, factors, per-subject table) is kept as JSON in
tags, because a search returns the tags of thousands of runs at once and artifacts only one by one. Those
tags begin with ``ablab.``; all others are flat and made for filters.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

from pydantic import ValidationError

from ablab.errors import StoreError
from ablab.spec.experiment import Experiment, Level
from ablab.spec.model import RECORDED
from ablab.spec.record import Role, RunRecord, Status, SubjectScore
from ablab.spec.trial import Trial
from ablab.tracking import provenance
from ablab.tracking.store import RunState
from ablab.tracking.tags import ORIGIN, factor_tags

OWN_TAG = "ablab."
"""What tags of an experiment that ablab wrote begin with."""
STUDY_TAG = f"{OWN_TAG}study"
"""Experiment tag that tells a study from other people's experiments on a shared server."""
TOUCHED_TAG = f"{OWN_TAG}touched"
"""Experiment tag: when a run of the study was last opened."""
SUPERSEDED = "superseded"
"""Role of a finished run whose key was run again; so ``role = 'seed'`` filters what counts."""

_SPEC, _FACTORS, _SUBJECTS, _ROLE = "ablab.spec", "ablab.factors", "ablab.subjects", "ablab.role"

_CHUNK = 4000
"""Characters per tag: servers before MLflow 2.14 cut tags at 5000, later ones at 8000."""

_STATUS: Mapping[str, Status] = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed"}

STATE_TAGS = (
    *("key", "cell", "seed", "role", "code_fingerprint", "host", "pid", "error", "started"),
    *("superseded_by", _ROLE),
)
"""Tags that a state is made of."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run as MLflow holds it; times in milliseconds since 1970."""

    run_id: str
    study: str
    status: str
    start: int
    end: int | None
    artifact_uri: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The trial's key."""
        return self.tags.get("key", "")

    @property
    def role(self) -> str:
        """A trial's ``Role``, or ``superseded``, ``cell``, ``gate`` or ``baseline``."""
        return self.tags.get("role", "")

    @property
    def is_trial(self) -> bool:
        """Whether it is the run of a trial that counts, or counted."""
        return bool(self.key) and (self.role in get_args(Role) or self.role == SUPERSEDED)

    @property
    def is_current(self) -> bool:
        """Whether it counts."""
        return bool(self.key) and self.role in get_args(Role) and not self.tags.get("superseded_by")


def status(row: Row) -> Status:
    """Where the run stands."""
    return _STATUS.get(row.status, "running")


def now_text() -> str:
    """Now, ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def opening_tags(trial: Trial, role: Role, attempt: int) -> dict[str, str]:
    """Tags of a run that begins, or begins again."""
    return {
        **factor_tags(trial.cell.factors),
        "study": trial.study,
        "cell": trial.cell.id,
        "label": trial.cell.label,
        "seed": str(trial.seed),
        "key": trial.key,
        "role": role,
        "data_fingerprint": trial.data_fingerprint,
        "code_fingerprint": provenance.run_fingerprint(trial.cell.experiment),
        "started": now_text(),
        "attempt": str(attempt),
        **provenance.environment(),
        _ROLE: role,
        **_pack(_SPEC, trial.cell.experiment.model_dump_json()),
        **_pack(_FACTORS, json.dumps(dict(trial.cell.factors))),
    }


def subject_tags(subjects: Sequence[SubjectScore]) -> dict[str, str]:
    """The per-subject table as tags, exact to the last digit."""
    return _pack(_SUBJECTS, json.dumps([astuple(score) for score in subjects], separators=(",", ":")))


def _pack(name: str, text: str) -> dict[str, str]:
    pieces = [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
    return {name if not n else f"{name}.{n}": piece for n, piece in enumerate(pieces)}


def _unpack(tags: Mapping[str, str], name: str) -> Any:
    pieces = [tags[name]]
    while (piece := tags.get(f"{name}.{len(pieces)}")) is not None:
        pieces.append(piece)
    # A run that was opened again may hold pieces of a longer text behind the end of this one.
    value, _ = json.JSONDecoder().raw_decode("".join(pieces))
    return value


def state(row: Row) -> RunState:
    """Where the run stands, from its state tags alone."""
    tags = row.tags
    return RunState(
        run_id=row.run_id,
        key=row.key,
        cell=tags.get("cell", ""),
        seed=int(tags.get("seed", -1)),
        role=next((role for role in get_args(Role) if role in (row.role, tags.get(_ROLE))), "seed"),
        status=status(row),
        code_fingerprint=tags.get("code_fingerprint", ""),
        seconds=_seconds(row),
        host=tags.get("host", ""),
        pid=int(tags.get("pid", 0)),
        error=tags.get("error") or None,
    )


def record(row: Row) -> RunRecord:
    """The run with all that comparisons read; StoreError where it cannot be read."""
    now = state(row)
    tags = row.tags
    try:
        experiment = Experiment.model_validate_json(json.dumps(_unpack(tags, _SPEC)), context=RECORDED)
        factors = {key: _level(level) for key, level in _unpack(tags, _FACTORS).items()}
        subjects = (
            tuple(SubjectScore(*values) for values in _unpack(tags, _SUBJECTS)) if _SUBJECTS in tags else ()
        )
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise StoreError(
            f"run {row.run_id} of study {row.study} cannot be read: it was written by another version of "
            f"ablab ({tags.get('ablab_version', 'unknown')}), or its tags were edited"
            f" ({type(error).__name__}: {error}); delete it in MLflow to go on without it"
        ) from error
    return RunRecord(
        run_id=row.run_id,
        key=now.key,
        study=row.study,
        cell=now.cell,
        label=tags.get("label", now.cell),
        seed=now.seed,
        factors=factors,
        role=now.role,
        status=now.status,
        experiment=experiment,
        data_fingerprint=tags.get("data_fingerprint", ""),
        code_fingerprint=now.code_fingerprint,
        started=tags.get("started", ""),
        seconds=now.seconds,
        metrics=dict(row.metrics),
        subjects=subjects if now.status == "finished" else (),
        error=now.error,
        origin={name: tags[name] for name in (*ORIGIN, "device") if name in tags},
    )


def _level(value: Any) -> Level:
    return tuple(_level(item) for item in value) if isinstance(value, list) else value


def _seconds(row: Row) -> float:
    """Length of the last attempt; MLflow's own start is the first one's."""
    started = row.tags.get("started")
    start = datetime.fromisoformat(started).timestamp() if started else row.start / 1000
    ended = row.end is not None and status(row) != "running"
    end = row.end / 1000 if ended and row.end is not None else time.time()
    return max(0.0, end - start)


def oldest_first(rows: Iterable[Row]) -> list[Row]:
    """Rows in the order in which their runs were first opened."""
    return sorted(rows, key=lambda row: (row.start, row.run_id))
