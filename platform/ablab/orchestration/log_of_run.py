"""The log of a run: from its working folder while it trains, from the store afterwards."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ablab.errors import NotFoundError
from ablab.paths import Paths
from ablab.tracking.store import RunState, RunStore

LOG = "train.log"
TRACEBACK = "traceback.txt"


def run_folder(key: str, run_id: str, paths: Paths) -> Path:
    """Where a run works while it trains; the same key may be training in two studies at once."""
    return paths.run(key) / run_id


def log_of_run(run: str, *, paths: Paths, store: RunStore) -> tuple[RunState, str]:
    """State and log of the run with this id, or whose key begins so; with the traceback where it failed.

    Raises NotFoundError where there is no such run, or nothing was kept of it.
    """
    state = store.find(run)
    live = run_folder(state.key, state.run_id, paths) / LOG
    parts = []
    if live.is_file():
        parts.append(live.read_text(encoding="utf-8", errors="replace"))
    else:
        with contextlib.suppress(NotFoundError):
            parts.append(store.artifact(state.run_id, LOG).read_text(encoding="utf-8", errors="replace"))
    if state.status == "failed":
        with contextlib.suppress(NotFoundError):
            parts.append(store.artifact(state.run_id, TRACEBACK).read_text(encoding="utf-8"))
    if not parts:
        reason = f": {state.error}" if state.error else ""
        raise NotFoundError(
            f"{run}: {state.cell} seed {state.seed} is {state.status}{reason}; no log of it was kept"
        )
    return state, "\n".join(part.rstrip("\n") for part in parts)
