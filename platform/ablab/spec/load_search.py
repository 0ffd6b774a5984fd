"""A search file and overrides in, a checked search out; all faults in one pass, each where it was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ablab.errors import Problem, SpecError
from ablab.spec.check import check
from ablab.spec.experiment import Experiment, Simulated
from ablab.spec.files import existing, refuse_other_studies
from ablab.spec.levels import check_overridden
from ablab.spec.load import chain_of, checked, in_words_of, laid_over, located, study_name, with_values
from ablab.spec.overlay import overlay
from ablab.spec.overrides import layers
from ablab.spec.reader import Document, Tree, read_file
from ablab.spec.resources import check_resources, resource_values
from ablab.spec.search import Search
from ablab.spec.space import Space, check_countable, check_space

_SHORT = ("sampler", "pruner")
"""Blocks that may be written as their kind alone: ``sampler: tpe``."""


@dataclass(frozen=True, slots=True)
class LoadedSearch:
    """A search with the experiment that it varies, and the name of its study."""

    search: Search
    space: Space
    base: Experiment
    """On all subjects."""
    study: str
    """The search's name, or ``<name>@<hash8>`` where there are overrides."""
    source: Path
    notices: tuple[str, ...] = ()

    @property
    def searched(self) -> Experiment:
        """The base on the subjects of the search."""
        if self.search.subjects is None:
            return self.base
        return with_values(self.base, {"dataset.subjects": self.search.subjects}, str(self.source))


def load_search(path: Path, overrides: Sequence[str] = ()) -> LoadedSearch:
    """Read a search and the experiment it varies.

    An override ``search.k=v`` addresses the search, every other one the experiment.
    """
    return search_in(read_file(existing(path, None, "")), path, overrides)


def search_in(document: Document, path: Path, overrides: Sequence[str] = ()) -> LoadedSearch:
    """The search in a text that stands, or is about to stand, at ``path``."""
    set_layers, found = layers(overrides, "search")
    problems = [*found, *document.problems]
    refuse_other_studies(document.tree, path, "search")
    written, layer = _spelled_out(document.tree), _spelled_out(set_layers.study)
    tree, notices = overlay(written, Tree(layer.value, document.tree.mark), Search)
    search, faults = check(tree, Search)
    problems += in_words_of(faults, "search")
    experiment: Experiment | None = None
    base: Tree | None = None
    entry = tree.get("base")
    if entry is not None and isinstance(entry.value, str) and entry.value:
        try:
            chain = chain_of(entry, "base")
        except SpecError as error:
            problems += error.problems
        else:
            base, more_notices, more = laid_over(chain, set_layers.experiment)
            experiment, still_more = checked(base, chain)
            notices = tuple(dict.fromkeys((*notices, *more_notices)))
            problems += (*chain.problems, *more, *still_more)
    problems += check_overridden(tree, set_layers.experiment, "search.space")
    space, space_problems = check_space(tree, base if experiment is not None else None)
    problems += space_problems
    problems += check_resources(tree, set_layers.experiment, "search")
    if search is not None and experiment is not None:
        problems += _subject_problems(tree, search, experiment)
        problems += check_countable(tree, search, space) if not space_problems else ()
    if search is None or experiment is None or problems:
        raise located(problems, path)
    resources = resource_values(search)
    if resources:
        experiment = with_values(experiment, resources, str(path))
    study = (
        study_name(search.name, set_layers, "search", search, {"": experiment}) if overrides else search.name
    )
    return LoadedSearch(search, space, experiment, study, path, notices)


def _spelled_out(tree: Tree) -> Tree:
    """The tree with ``sampler: tpe`` written as ``sampler: {kind: tpe}``."""
    if not isinstance(tree.value, dict):
        return tree
    entries = {
        name: Tree({"kind": entry}, entry.mark) if name in _SHORT and isinstance(entry.value, str) else entry
        for name, entry in tree.value.items()
    }
    return Tree(entries, tree.mark)


def _subject_problems(tree: Tree, search: Search, base: Experiment) -> tuple[Problem, ...]:
    entry = tree.get("subjects")
    if entry is None or search.subjects is None:
        return ()
    mark = entry.mark
    if isinstance(base.dataset, Simulated):
        reason = "simulated listeners have no names to choose by; leave it out"
        return (Problem(mark.source, mark.line, "subjects", reason),)
    known = base.dataset.subjects
    foreign = [name for name in search.subjects if known is not None and name not in known]
    if foreign:
        reason = f"not among the subjects of the base: {', '.join(foreign)}"
        return (Problem(mark.source, mark.line, "subjects", reason),)
    return ()
