"""A regression gate's file and overrides in, checked values out; all faults in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ablab.errors import Problem, SpecError
from ablab.spec.check import check
from ablab.spec.experiment import Experiment
from ablab.spec.files import beside, existing, refuse_other_studies
from ablab.spec.identity import digest, flatten
from ablab.spec.load import load_experiment
from ablab.spec.overlay import overlay
from ablab.spec.overrides import SOURCE, layers
from ablab.spec.reader import Tree, read_file
from ablab.spec.regression import Regression

_PREFIX = "regression."


@dataclass(frozen=True, slots=True)
class LoadedRegression:
    """A gate with the experiment it trains, and the name of its study."""

    regression: Regression
    experiment: Experiment
    study: str
    """The gate's name, or ``<name>@<hash8>`` where there are overrides."""
    source: Path
    notices: tuple[str, ...] = ()


def load_regression(path: Path, overrides: Sequence[str] = ()) -> LoadedRegression:
    """Read a gate and its experiment.

    An override ``regression.k=v`` addresses the gate, every other one the experiment.
    """
    document = read_file(existing(path, None, ""))
    refuse_other_studies(document.tree, path, "regression")
    own = [text.strip().removeprefix(_PREFIX) for text in overrides if text.strip().startswith(_PREFIX)]
    others = [text for text in overrides if not text.strip().startswith(_PREFIX)]
    set_layers, faults = layers(own)
    problems = [*document.problems, *map(_in_own_words, faults)]
    layer = Tree(set_layers.experiment.value, document.tree.mark)
    tree, _ = overlay(document.tree, layer, Regression)
    regression, found = check(tree, Regression)
    problems += [_in_own_words(fault.problem) for fault in found]
    loaded = None
    try:
        file = _experiment_file(tree)
        loaded = None if file is None else load_experiment(file, others)
    except SpecError as error:
        problems += error.problems
    if regression is None or loaded is None or problems:
        raise SpecError(list(dict.fromkeys(problems)))
    study = regression.name
    if overrides:
        study += f"@{_digest(regression, loaded.experiment, set_layers.experiment, others)[:8]}"
    return LoadedRegression(regression, loaded.experiment, study, path, loaded.notices)


def _experiment_file(tree: Tree) -> Path | None:
    """None where the key itself is at fault, which the check of the gate has reported."""
    entry = tree.get("experiment")
    if entry is None or not isinstance(entry.value, str) or not entry.value:
        return None
    key = f"{_PREFIX}experiment" if entry.mark.source == SOURCE else "experiment"
    return existing(beside(entry.value, entry.mark), entry.mark, key)


def _in_own_words(problem: Problem) -> Problem:
    """A fault of an override is named as the user wrote it."""
    if problem.source != SOURCE or not problem.key:
        return problem
    return replace(problem, key=f"{_PREFIX}{problem.key}")


def _digest(regression: Regression, experiment: Experiment, own: Tree, others: Sequence[str]) -> str:
    """Hash of what the overrides set, as the checked values hold it: 1e-3 and 0.001 are one."""
    of_gate: Mapping[str, object] = flatten(regression.model_copy(update={"checks": ()}))
    of_experiment = flatten(experiment)
    set_layers, _ = layers(others)
    values = {f"{_PREFIX}{key}": of_gate.get(key, leaf.plain()) for key, leaf in own.leaves()}
    values |= {key: of_experiment.get(key, leaf.plain()) for key, leaf in set_layers.experiment.leaves()}
    values |= {"checks": [flatten(each) for each in regression.checks]} if own.get("checks") else {}
    return digest(values)
