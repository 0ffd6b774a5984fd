"""What the store shows of a whole search: its text on the study's page, its plots in the study's run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ablab.errors import StoreError
from ablab.tracking.store import RunStore

FOLDER = "search"
"""Of the plots among the artifacts of the study's run."""


def keep(study: str, text: str, plots: Sequence[Path], store: RunStore) -> str | None:
    """Bring the study's page up to date; the reason where the store refuses."""
    try:
        store.describe(study, f"```\n{text}\n```")
        store.attach_to_study(study, plots, FOLDER)
    except StoreError as error:
        return str(error).splitlines()[0]
    return None
