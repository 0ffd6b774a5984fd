"""What of a run is kept for comparing: the curves that say how it learned, and where it was trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ablab.tracking.store import Curve, RunState, RunStore

_CURVES = ("validation/", "train/")
"""Beginnings of curves that are kept: at full size, all of them are a million points."""


def learning_curves(run_id: str, store: RunStore) -> Mapping[str, Curve]:
    """The run's curves of validation and training."""
    return store.curves(run_id, _CURVES)


def hosts(states: Iterable[RunState]) -> Mapping[str, str]:
    """Run id -> the machine that trained it."""
    return {state.run_id: state.host for state in states}
