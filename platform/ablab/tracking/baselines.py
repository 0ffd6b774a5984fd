"""The contract of the registry of baselines: one registered model per name, one version per promotion.

Promises, held for a database and for a server by one shared test (``tests/tracking/test_baselines.py``):

- ``register`` keeps the manifest as ``baseline/manifest.json`` of a run of its own, makes a version whose
  source it is, and only then moves the alias ``baseline`` to it: what the alias names is always complete.
- Earlier versions stay as they are.
- A registered model that was not made here is never written to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

ALIAS = "baseline"
FOLDER, MANIFEST = "baseline", "manifest.json"


@dataclass(frozen=True, slots=True)
class Version:
    """One promotion, as the registry lists it."""

    name: str
    version: int
    run_id: str
    """The promotion's run, which holds the manifest."""
    source: str
    is_current: bool
    """Whether the alias names it."""
    tags: Mapping[str, str]
    """Such as ``study``, ``cell``, ``seeds``, ``who``, ``when``, ``why``."""


class BaselineRegistry(Protocol):
    """Keeps promoted baselines."""

    def register(self, name: str, study: str, manifest: str, tags: Mapping[str, str]) -> Version:
        """Keep a manifest (JSON) as the new baseline of this name.

        Raises InputError where a registered model of the name is something else; StoreError.
        """

    def versions(self, name: str) -> tuple[Version, ...]:
        """All versions, oldest first.

        Raises NotFoundError, naming the nearest, where there is no such name.
        """

    def manifest(self, version: Version) -> str:
        """The manifest of a version, JSON text."""
