"""What stores have in common: the current run of a key, the run that a prefix names, the texts of errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Protocol, TypeVar

from ablab.errors import NotFoundError
from ablab.tracking.store import RunState, RunStore

_LONGEST_ERROR = 500
"""Characters of a run's error that are kept beside it; the whole of it is in ``traceback.txt``."""

_PREFIX = re.compile(r"[0-9a-f]{6,32}")


class _Run(Protocol):
    @property
    def run_id(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def role(self) -> str: ...


R = TypeVar("R", bound=_Run)


def current(runs: Iterable[R]) -> list[R]:
    """The last run of every (key, role), in the order in which the pairs first appear.

    ``runs`` are oldest first. Two runs of one pair are left where a process died between opening the new
    run and marking the old one superseded.
    """
    last: dict[tuple[str, str], R] = {}
    for run in runs:
        last[run.key, run.role] = run
    return list(last.values())


def latest(store: RunStore) -> str:
    """The study written to last that has runs to compare; NotFoundError where there is no study.

    A gate's own study has none: its runs are compared with a baseline.
    """
    studies = store.studies()
    if not studies:
        raise NotFoundError(
            f"no study in {store.address} yet; run one: ablab grid run ablations/quickstart.yaml"
        )
    compared = (study for study in studies if any(state.role == "seed" for state in store.states(study)))
    return next(compared, studies[0])


def is_prefix(run: str) -> bool:
    """Whether ``run`` can be the beginning of a key: 6 to 32 hex digits."""
    return _PREFIX.fullmatch(run) is not None


def pick(run: str, found: Sequence[tuple[str, RunState]]) -> RunState:
    """The one (study, state) that ``run``, the beginning of a key, stands for.

    Of the runs of one key the seed run is meant, the only one that is compared: a pilot that is as long as
    the grid's own runs has their keys.
    """
    if len(found) == 1:
        return found[0][1]
    seeds = [state for _, state in found if state.role == "seed"]
    if len(seeds) == 1 and len({state.key for _, state in found}) == 1:
        return seeds[0]
    if found:
        listed = "\n".join(
            f"  {state.run_id}  {study}  {state.cell}  seed {state.seed}  {state.role}  {state.status}"
            for study, state in found
        )
        raise NotFoundError(f"{run}: {len(found)} runs have keys that begin so; give a run id:\n{listed}")
    raise no_run(run)


def no_run(run: str) -> NotFoundError:
    """The error for a run that is not there."""
    hint = (
        "`ablab grid status STUDY` lists the keys of a study"
        if is_prefix(run)
        else "name it by its run id, or by 6 or more of its key's first hex digits"
    )
    return NotFoundError(f"{run}: no such run; {hint}")


def no_study(study: str, studies: Sequence[str], address: str) -> NotFoundError:
    """The error for a study that is not there, with what is."""
    if not studies:
        return NotFoundError(
            f"{study}: no such study; nothing is recorded in {address} yet (`ablab grid run FILE` records)"
        )
    near = get_close_matches(study, studies, n=1)
    meant = f" (did you mean '{near[0]}'?)" if near else ""
    return NotFoundError(f"{study}: no such study in {address}{meant}; there are: {', '.join(studies)}")


def first_line(error: str) -> str:
    """The first line of an error, short enough to stand in a table."""
    lines = error.strip().splitlines()
    return lines[0][:_LONGEST_ERROR] if lines else "no reason given"
