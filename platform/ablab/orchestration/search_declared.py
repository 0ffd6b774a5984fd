"""What a search declared when it was last run: kept beside the runs, so that ``search show`` need not ask."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ablab.errors import InputError, NotFoundError
from ablab.orchestration.declared import studies_folder, write_atomically
from ablab.paths import Paths
from ablab.spec.experiment import Experiment
from ablab.spec.load_search import LoadedSearch
from ablab.spec.reader import Mark, tree_of
from ablab.spec.search import Search
from ablab.spec.shape import nearest
from ablab.spec.space import Space, check_space

_SUFFIX = ".search.json"


@dataclass(frozen=True, slots=True)
class DeclaredSearch:
    """A search as it was last run."""

    study: str
    search: Search
    base: Experiment
    """On the subjects of the search."""
    space: Space
    optuna_name: str
    """Name of its study in Optuna's database."""


def declare_search(loaded: LoadedSearch, optuna_name: str, paths: Paths) -> Path:
    """Write down what the search declares, replacing what its last run declared; returns the file."""
    facts = {
        "study": loaded.study,
        "source": os.path.abspath(loaded.source),  # noqa: PTH100 - a link in the path stays a link
        "search": loaded.search.model_dump(mode="json"),
        "base": loaded.searched.model_dump(mode="json"),
        "optuna": optuna_name,
    }
    file = _file(loaded.study, paths)
    write_atomically(file, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return file


def is_declared(study: str, paths: Paths) -> bool:
    """Whether a search of this name was begun from this state root."""
    return _file(study, paths).is_file()


def declared_search(study: str, paths: Paths) -> DeclaredSearch:
    """What the search declared at its last run.

    Raises NotFoundError where none of this name was run from this state root, InputError where the file is
    damaged.
    """
    file = _file(study, paths)
    if not file.is_file():
        known = [each.name.removesuffix(_SUFFIX) for each in studies_folder(paths).glob(f"*{_SUFFIX}")]
        near = nearest(study, known)
        hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
        raise NotFoundError(f"{study}: no search of this name was run in {paths.root} ({hint})")
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        mark = Mark(str(file), None)
        space, _ = check_space(tree_of(facts["search"], mark), tree_of(facts["base"], mark))
        return DeclaredSearch(
            facts["study"],
            Search.model_validate_json(json.dumps(facts["search"])),
            Experiment.model_validate_json(json.dumps(facts["base"])),
            space,
            facts["optuna"],
        )
    except (ValueError, KeyError) as error:
        raise InputError(
            f"{file}: does not read as a declared search ({str(error).splitlines()[0]}); "
            "'ablab search run FILE' writes it again"
        ) from error


def _file(study: str, paths: Paths) -> Path:
    return studies_folder(paths) / f"{study}{_SUFFIX}"
