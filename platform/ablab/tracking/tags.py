"""Names under which a run is found again: flat tags, the tag of every factor, and parameters.

MLflow's filters and groupings work on flat tags, so that ``tags.residual = 'gated'`` is a filter.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from ablab.spec.experiment import Level

IDENTITY = ("study", "cell", "label", "seed", "key", "role", "data_fingerprint", "code_fingerprint")
"""What a run is, in the order shown."""

COURSE = ("started", "attempt", "error", "ended", "warnings", "not_finite", "superseded_by", "device")
"""What happened to it."""

ORIGIN = (
    "git_commit",
    "git_dirty",
    "python_version",
    "torch_version",
    "numpy_version",
    "mlflow_version",
    "ablab_version",
    "host",
    "pid",
)
"""Where it was made."""

RESERVED = frozenset(IDENTITY + COURSE + ORIGIN)
"""Tags that a factor never takes."""


def level_text(level: Level) -> str:
    """A level as text: strings as they are, everything else as YAML and JSON write it.

    >>> level_text("gated"), level_text(True), level_text(2.0), level_text(None), level_text((0.9, 0.98))
    ('gated', 'true', '2.0', 'null', '[0.9, 0.98]')
    """
    return level if isinstance(level, str) else json.dumps(level)


def factor_tags(factors: Mapping[str, object]) -> dict[str, str]:
    """One flat tag per factor: the last part of its key, or the whole key where that is taken.

    >>> factor_tags({"improvements.mlp_head": True, "dataset.seed": 3})
    {'mlp_head': 'true', 'dataset.seed': '3'}
    """
    last = {key: key.rpartition(".")[2] for key in factors}
    taken = Counter(last.values())
    return {
        key if taken[last[key]] > 1 or last[key] in RESERVED else last[key]: level_text(level)  # type: ignore[arg-type]
        for key, level in factors.items()
    }
