"""A study's ``resources`` laid over the experiments it varies.

The number of processes changes what is trained, so it ends up in the experiments, and thereby in the keys of
the trials; ``resources`` itself is in no key.
"""

from __future__ import annotations

from collections.abc import Mapping

from ablab.errors import Problem
from ablab.spec.experiment import Level
from ablab.spec.grid import Grid
from ablab.spec.overrides import SOURCE
from ablab.spec.reader import Tree
from ablab.spec.search import Search

PROCESSES = "training.processes"
_KEY = "resources.gpus_per_trial"


def resource_values(study: Grid | Search) -> Mapping[str, Level]:
    """Dotted keys that the resources set in every experiment of the study."""
    gpus = study.resources.gpus_per_trial
    return {PROCESSES: max(1, int(gpus))} if gpus else {}


def check_resources(study: Tree, layer: Tree, kind: str = "grid") -> tuple[Problem, ...]:
    """Levels and overrides that the resources would overwrite without a word."""
    block = "space" if kind == "search" else "factors"
    resources, factors = study.get("resources"), study.get(block)
    gpus = resources.get("gpus_per_trial") if resources is not None else None
    if gpus is None or not gpus.value:
        return ()
    problems = []
    levels = factors.get(PROCESSES) if factors is not None else None
    if levels is not None:
        reason = f"{_KEY} sets it in every cell; leave one of them out"
        problems.append(Problem(levels.mark.source, levels.mark.line, f"{block}.{PROCESSES}", reason))
    if any(key == PROCESSES for key, _ in layer.leaves()):
        reason = f"{_KEY} sets it in every cell; use --set {kind}.{_KEY}=N"
        problems.append(Problem(SOURCE, None, PROCESSES, reason))
    return tuple(problems)
