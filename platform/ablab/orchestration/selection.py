"""Which trials of a grid are done, and which have to run. Pure: trials and run states in, standings out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from ablab.errors import NotFoundError, StaleRunsError
from ablab.spec.record import Role
from ablab.spec.trial import Cell, Trial
from ablab.tracking.provenance import run_fingerprint
from ablab.tracking.store import RunState

HowFar = Literal["done", "stale", "failed", "killed", "running", "missing"]
StaleChoice = Literal["rerun", "keep"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One planned trial and how far it is."""

    trial: Trial
    progress: HowFar
    run: RunState | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What a grid run has to do."""

    to_run: tuple[Trial, ...]
    skipped: tuple[Standing, ...]
    """Done, kept although stale, or in work elsewhere."""


def standings(
    trials: Sequence[Trial], states: Sequence[RunState], code: str, role: Role = "seed"
) -> tuple[Standing, ...]:
    """Where every trial stands; ``code`` is the fingerprint of the code as it is now."""
    by_key = {state.key: state for state in states if state.role == role}
    runs = [by_key.get(trial.key) for trial in trials]
    return tuple(
        Standing(trial, _progress(run, run_fingerprint(trial.cell.experiment, code)), run)
        for trial, run in zip(trials, runs, strict=True)
    )


def select(
    found: Sequence[Standing], *, code: str, stale: StaleChoice | None, force: Sequence[str] = ()
) -> Selection:
    """What to run: all but the done; stale runs as chosen; the forced cells whatever their standing.

    Raises StaleRunsError where there are stale runs and no choice, NotFoundError for an unknown cell.
    """
    forced = _forced(found, force)
    undecided = [each for each in found if each.progress == "stale" and each.trial.cell.id not in forced]
    if undecided and stale is None:
        raise StaleRunsError(_stale_text(undecided, code))
    skip = {"done", "running"} | ({"stale"} if stale == "keep" else set())
    skipped = tuple(each for each in found if each.progress in skip and each.trial.cell.id not in forced)
    left_out = {each.trial.key for each in skipped}
    return Selection(tuple(each.trial for each in found if each.trial.key not in left_out), skipped)


def _progress(run: RunState | None, code: str) -> HowFar:
    if run is None:
        return "missing"
    if run.status == "finished":
        return "done" if run.code_fingerprint == code else "stale"
    return run.status


def _forced(found: Sequence[Standing], force: Collection[str]) -> set[str]:
    cells: dict[str, Cell] = {each.trial.cell.id: each.trial.cell for each in found}
    by_name = {cell.label: cell.id for cell in cells.values()} | {name: name for name in cells}
    unknown = [name for name in force if name not in by_name]
    if unknown:
        near = get_close_matches(unknown[0], by_name, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"cells: {', '.join(cells)}"
        raise NotFoundError(f"--force: no cell {unknown[0]!r} in this grid ({hint})")
    return {by_name[name] for name in force}


def _stale_text(stale: Sequence[Standing], code: str) -> str:
    seeds: dict[str, list[int]] = {}
    for each in stale:
        seeds.setdefault(each.trial.cell.id, []).append(each.trial.seed)
    runs = "1 finished run was" if len(stale) == 1 else f"{len(stale)} finished runs were"
    lines = [f"{stale[0].trial.study}: {runs} made by other code than the code now ({code[:8]}):"]
    lines += [f"  {cell}  seed {', '.join(str(seed) for seed in sorted(of))}" for cell, of in seeds.items()]
    lines += [
        "choose what to do with them:",
        "  --stale rerun   train them again with the code as it is now",
        "  --stale keep    keep them; every report names them",
    ]
    return "\n".join(lines)
