"""Spec files and overrides in, checked values out; all faults in one pass, each where it was written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ablab.errors import Problem, SpecError
from ablab.spec.check import Fault, check
from ablab.spec.claims import Ledger
from ablab.spec.claims_file import load_claims
from ablab.spec.experiment import Experiment, Level, SpecModel
from ablab.spec.factors import check_factors, check_same_measure
from ablab.spec.files import Chain, beside, existing, read_chain, refuse_other_studies
from ablab.spec.grid import Grid
from ablab.spec.identity import digest, flatten
from ablab.spec.levels import check_overridden
from ablab.spec.overlay import nested, overlay
from ablab.spec.overrides import SOURCE, Layers, layers, parse_override
from ablab.spec.reader import Document, Mark, Tree, read_file, tree_of
from ablab.spec.resources import check_resources, resource_values
from ablab.spec.shape import EXTENDS

__all__ = [
    "LoadedExperiment",
    "LoadedGrid",
    "experiment_in",
    "grid_in",
    "load_experiment",
    "load_grid",
    "parse_override",
    "with_values",
]


@dataclass(frozen=True, slots=True)
class LoadedExperiment:
    """An experiment, and where it came from."""

    experiment: Experiment
    source: Path
    origins: Mapping[str, str] = field(default_factory=dict)
    """Dotted key -> where it was written (``experiments/a.yaml:7``, ``--set``); defaults are absent."""
    notices: tuple[str, ...] = ()
    """What the user should know: keys that a change of kind has dropped."""


@dataclass(frozen=True, slots=True)
class LoadedGrid:
    """A grid with the experiments it varies, and the name of its study."""

    grid: Grid
    """Levels are canonical: 2 stands as 2.0 where the key holds a float."""
    bases: Mapping[str, Experiment]
    """'' -> the base experiment; in a named design, cell -> its experiment."""
    study: str
    """The grid's name, or ``<name>@<hash8>`` where there are overrides."""
    source: Path
    notices: tuple[str, ...] = ()
    claims: Ledger | None = None
    """The claims file of the analysis."""
    overrides: tuple[str, ...] = ()
    """``key=value`` texts that were laid over the files."""


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> LoadedExperiment:
    """Read an experiment with the files it extends and lay ``key=value`` overrides over it."""
    document = read_file(existing(path, None, ""))
    return experiment_in(document, path, overrides)


def experiment_in(document: Document, path: Path, overrides: Sequence[str] = ()) -> LoadedExperiment:
    """The experiment in a text that stands, or is about to stand, at ``path``."""
    set_layers, problems = layers(overrides)
    problems = (*problems, *_not_for_experiments(set_layers))
    chain = read_chain(document, path)
    joined, notices, faults = laid_over(chain, set_layers.experiment)
    experiment, more = checked(joined, chain)
    problems = (*problems, *chain.problems, *faults, *more)
    if experiment is None or problems:
        raise located(problems, path)
    origins = {key: str(leaf.mark) for key, leaf in joined.leaves()}
    return LoadedExperiment(experiment, path, origins, notices)


def load_grid(path: Path, overrides: Sequence[str] = ()) -> LoadedGrid:
    """Read a grid and the experiments it varies.

    An override ``grid.k=v`` addresses the grid, every other one the experiments.
    """
    return grid_in(read_file(existing(path, None, "")), path, overrides)


def grid_in(document: Document, path: Path, overrides: Sequence[str] = ()) -> LoadedGrid:
    """The grid in a text that stands, or is about to stand, at ``path``."""
    set_layers, found = layers(overrides)
    problems = [*found, *document.problems]
    refuse_other_studies(document.tree, path)
    tree, notices = overlay(document.tree, Tree(set_layers.study.value, document.tree.mark), Grid)
    grid, faults = check(tree, Grid)
    problems += in_words_of(faults, "grid")
    bases: dict[str, Experiment] = {}
    trees: dict[str, Tree] = {}
    for name, entry in _base_entries(tree):
        key = f"cells.{name}" if name else "base"
        try:
            chain = chain_of(entry, key)
        except SpecError as error:
            problems += error.problems
            continue
        joined, more_notices, more = laid_over(chain, set_layers.experiment)
        experiment, still_more = checked(joined, chain)
        notices = tuple(dict.fromkeys((*notices, *more_notices)))
        problems += (*chain.problems, *more, *still_more)
        if experiment is not None:
            bases[name], trees[name] = experiment, joined
    problems += check_overridden(tree, set_layers.experiment, "grid.factors")
    levels, level_problems = check_factors(tree, trees.get(""))
    problems += level_problems
    problems += check_same_measure(tree, bases)
    problems += check_resources(tree, set_layers.experiment)
    claims, claim_problems = _claims(tree)
    problems += claim_problems
    if grid is None or problems:
        raise located(problems, path)
    grid = grid.model_copy(update={"factors": levels})
    resources = resource_values(grid)
    if resources:
        bases = {name: with_values(base, resources, str(path)) for name, base in bases.items()}
    study = study_name(grid.name, set_layers, "grid", grid, bases) if overrides else grid.name
    return LoadedGrid(grid, bases, study, path, notices, claims, tuple(overrides))


def with_values(experiment: Experiment, values: Mapping[str, Level], source: str = "values") -> Experiment:
    """The experiment with dotted keys set, as an override sets them; SpecError names ``source``.

    A changed kind resets its block to the new kind's defaults and keeps the keys that both kinds share.

    >>> with_values(Experiment(name="a"), {"training.loss.kind": "mse"}).training.loss.kind
    'mse'
    """
    return varied(experiment, source)(values)


def varied(experiment: Experiment, source: str = "values") -> Callable[[Mapping[str, Level]], Experiment]:
    """`with_values` of one experiment, for many values: what they share is made once."""
    mark = Mark(source, None)
    base = tree_of(_written(experiment), mark)

    def change(values: Mapping[str, Level]) -> Experiment:
        layer = Tree({}, mark)
        for key, value in values.items():
            layer, _ = overlay(layer, nested(key, tree_of(value, mark), mark), Experiment)
        joined, _ = overlay(base, layer, Experiment)
        changed, faults = check(joined, Experiment)
        if changed is None:
            raise SpecError([fault.problem for fault in faults])
        return changed

    return change


def _written(model: SpecModel) -> dict[str, object]:
    """The keys that were given when the value was made, not those that have their default."""
    given = {name for name in type(model).model_fields if name in model.model_fields_set or name == "kind"}
    values = {name: getattr(model, name) for name in type(model).model_fields if name in given}
    return {
        name: _written(value) if isinstance(value, SpecModel) else value for name, value in values.items()
    }


def checked(joined: Tree, chain: Chain) -> tuple[Experiment | None, tuple[Problem, ...]]:
    experiment, faults = check(joined, Experiment)
    certain = [fault.problem for fault in faults if chain.whole or fault.hangs_on == "itself"]
    return experiment, tuple(certain)


def laid_over(chain: Chain, layer: Tree) -> tuple[Tree, tuple[str, ...], tuple[Problem, ...]]:
    assert isinstance(layer.value, dict)
    problems: tuple[Problem, ...] = ()
    if EXTENDS in layer.value:
        reason = "cannot be set: it belongs to the file; give the other file instead"
        problems = (Problem(SOURCE, None, EXTENDS, reason),)
    values = {name: entry for name, entry in layer.value.items() if name != EXTENDS}
    joined, notices = overlay(chain.tree, Tree(values, chain.tree.mark), Experiment)
    return joined, (*chain.notices, *notices), problems


def _not_for_experiments(set_layers: Layers) -> tuple[Problem, ...]:
    reason = "addresses a grid, but this is an experiment"
    return tuple(Problem(SOURCE, None, f"grid.{key}", reason) for key, _ in set_layers.study.leaves() if key)


def chain_of(entry: Tree, key: str) -> Chain:
    assert isinstance(entry.value, str)
    path = existing(beside(entry.value, entry.mark), entry.mark, key)
    return read_chain(read_file(path), path)


def _claims(tree: Tree) -> tuple[Ledger | None, tuple[Problem, ...]]:
    """The claims file that the analysis names, and its faults."""
    entry = tree.at("analysis.claims")
    if entry is None or not isinstance(entry.value, str) or not entry.value:
        return None, ()
    try:
        file = existing(beside(entry.value, entry.mark), entry.mark, "analysis.claims")
        return load_claims(file), ()
    except SpecError as error:
        return None, error.problems


def _base_entries(tree: Tree) -> list[tuple[str, Tree]]:
    base, cells = tree.get("base"), tree.get("cells")
    entries = [("", base)] if base is not None else []
    if cells is not None and isinstance(cells.value, dict):
        entries += cells.value.items()
    return [(name, entry) for name, entry in entries if isinstance(entry.value, str) and entry.value]


def in_words_of(faults: Iterable[Fault], kind: str) -> list[Problem]:
    """Faults of the grid; those of an override are named as the user wrote them, with the kind in front."""
    problems = [fault.problem for fault in faults]
    return [
        Problem(SOURCE, None, f"{kind}.{each.key}", each.reason) if each.source == SOURCE else each
        for each in problems
    ]


def study_name(
    name: str, set_layers: Layers, kind: str, study: SpecModel, bases: Mapping[str, Experiment]
) -> str:
    """``<name>@<hash8>`` of what the overrides set, as the checked values hold it: 1e-3 and 0.001 are one."""
    of_study = flatten(study)
    of_bases: dict[str, Level] = {}
    for experiment in bases.values():
        of_bases = {**flatten(experiment), **of_bases}
    values = {f"{kind}.{key}": of_study.get(key, leaf.plain()) for key, leaf in set_layers.study.leaves()}
    values |= {key: of_bases.get(key, leaf.plain()) for key, leaf in set_layers.experiment.leaves()}
    return f"{name}@{digest(values)[:8]}"


def located(problems: Iterable[Problem], path: Path) -> SpecError:
    """The problems once each: overrides, the file asked for, the files it names; each from top to bottom."""
    # A value that could not be read is not also of the wrong type: the first fault of a place stands.
    first: dict[tuple[str, int | None, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.source, problem.line, problem.key or problem.reason), problem)
    distinct = list(first.values())
    order = list(dict.fromkeys([SOURCE, str(path), *(problem.source for problem in distinct)]))
    return SpecError(sorted(distinct, key=lambda each: (order.index(each.source), each.line or 0)))
