"""Where ablab writes: every file and folder under the state root, as a named property of one value.

Creates nothing by being imported or constructed.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+=,-]*")


def is_safe_name(name: str) -> bool:
    """Whether ``name`` can stand as one folder or file name without leaving its parent.

    >>> is_safe_name("v2_full"), is_safe_name("../x"), is_safe_name(".hidden"), is_safe_name("a/b")
    (True, False, False, False)
    """
    return len(name) <= 128 and _SAFE_NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Paths:
    """The state root and what lies in it.

    >>> Paths(Path("/srv/mlruns")).optuna_db.name
    'optuna.db'
    """

    root: Path

    @classmethod
    def from_environment(cls) -> Paths:
        """``ABLAB_HOME``, or ``mlruns`` in the working directory, made absolute."""
        return cls(Path(os.environ.get("ABLAB_HOME") or "mlruns").absolute())

    @property
    def mlflow_db(self) -> Path:
        """SQLite file of the default tracking store."""
        return self.root / "mlflow.db"

    @property
    def optuna_db(self) -> Path:
        """SQLite file of the Optuna studies."""
        return self.root / "optuna.db"

    @property
    def artifacts(self) -> Path:
        """Artifacts of the default tracking store, one folder per study."""
        return self.root / "artifacts"

    @property
    def cache(self) -> Path:
        """What can be computed again: simulated corpora, fingerprints, leakage results, baselines."""
        return self.root / "cache"

    @property
    def tensorboard(self) -> Path:
        """Live event files, ``<study>/<run name>``."""
        return self.root / "tensorboard"

    def confirmation(self, study: str) -> Path:
        """Folder of the spec files with which a study's recommendation is trained again."""
        return self.root / "confirmations" / study

    def report(self, study: str) -> Path:
        """Folder of a study's report, where no other is named."""
        return self.root / "reports" / study

    @property
    def regression(self) -> Path:
        """State of the schedule, logs of its gates, pictures of their history."""
        return self.root / "regression"

    def lock(self, name: str) -> Path:
        """Lock file of a shared resource, held for moments."""
        return self.root / "locks" / f"{name}.lock"

    def lease(self, name: str) -> Path:
        """Who runs a study, or an experiment, now."""
        return self.root / "locks" / f"{name}.lease"

    def run(self, key: str) -> Path:
        """Working folder of the trial with this key while it trains."""
        return self.root / "runs" / key

    @property
    def journals(self) -> Path:
        """What processes have written of their runs and the tracking store has not taken yet."""
        return self.root / "journals"

    def workers(self, study: str) -> Path:
        """Who trains which trial of the study now, and what worker processes print."""
        return self.root / "workers" / study

    def jobs(self, study: str) -> Path:
        """What the study's jobs on a cluster share with the process that orchestrates it."""
        return self.root / "jobs" / study
