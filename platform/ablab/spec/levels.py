"""Values that a study tries for a spec key, each checked against the experiment that it would change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from ablab.errors import Problem
from ablab.spec.check import Fault, check
from ablab.spec.experiment import Experiment, Level
from ablab.spec.identity import NOT_IDENTITY, flatten
from ablab.spec.overlay import nested, overlay
from ablab.spec.overrides import SOURCE
from ablab.spec.reader import Mark, Tree
from ablab.spec.shape import blocks, keys, nearest

DATA_KEYS = (
    "dataset.kind",
    "dataset.path",
    "dataset.subjects",
    "dataset.n_subjects",
    "dataset.minutes",
    "dataset.n_chans",
    "dataset.seed",
)
"""Keys that choose the data. Cells are compared on the same recordings, so these are the same in all."""
SAME_DATA = "cells are compared on the same data"
SCORING_KEYS = ("evaluation.segment_seconds",)
"""Keys that choose how a prediction is scored: r over short segments is another measure than over long."""
SAME_SCORE = "cells are compared by the same score"

Where = Literal["grid.factors", "search.space"]
"""The block that levels stand in, as an override addresses it."""


def unusable(key: str, where: Where) -> str | None:
    """Why a study cannot vary this key; None where it can."""
    known = keys(Experiment)
    what = {"grid.factors": "be a factor", "search.space": "be searched over"}[where]
    if key in DATA_KEYS:
        return f"cannot {what}: {SAME_DATA}"
    if key in SCORING_KEYS:
        return f"cannot {what}: {SAME_SCORE}"
    if key in NOT_IDENTITY:
        return f"cannot {what}: it changes nothing in what is trained"
    if key in known:
        return None
    if key in blocks(Experiment):
        example = next(each for each in known if each.startswith(f"{key}."))
        return f"is a block of keys; name one of them, such as '{example}'"
    short = {each.rpartition(".")[2]: each for each in known}
    last = key.rpartition(".")[2]
    near = short.get(last) or nearest(key, known) or short.get(nearest(last, short) or "")
    return "unknown key of the experiment" + (f" (did you mean '{near}'?)" if near else "")


def level_of(
    key: str, level: Tree, base: Tree | None, beside: Sequence[str], problems: list[Problem], where: Where
) -> Level:
    """The level as the field holds it; faults in it go to ``problems``.

    beside: all keys that the study varies, whose levels may mend what this one alone does not fit.
    """
    plain: Any = level.plain()
    if isinstance(level.value, dict):
        problems.append(problem_at(level.mark, key, "a level must be a value, not a mapping", where))
        return None
    start = base or Tree({"name": Tree("study", level.mark)}, level.mark)
    joined, _ = overlay(start, nested(key, level, level.mark), Experiment)
    experiment, faults = check(joined, Experiment)
    if experiment is not None:
        return flatten(experiment)[key]
    problems += _own(faults, key, level.mark, beside, base is not None, where)
    return plain if not isinstance(plain, list) else tuple(plain)


def repeated(key: str, entries: Sequence[Tree], values: Sequence[Level], where: Where) -> Iterator[Problem]:
    """Levels that differ as written (2 and 2.0) and are the same to the field."""
    written = [repr(entry.plain()) for entry in entries]
    for index, value in enumerate(values):
        if value in values[:index] and written[index] not in written[:index]:
            yield problem_at(entries[index].mark, key, f"names the level {value!r} twice", where)


def problem_at(mark: Mark, key: str, reason: str, where: Where) -> Problem:
    """A fault at a key of the block, named as the user wrote it."""
    prefix = where if mark.source == SOURCE else where.rpartition(".")[2]
    return Problem(mark.source, mark.line, f"{prefix}.{key}", reason)


def check_overridden(study: Tree, layer: Tree, where: Where) -> tuple[Problem, ...]:
    """Overrides of keys that the study varies: its levels would overwrite them without a word."""
    block = study.get(where.rpartition(".")[2])
    names = block.value if block is not None and isinstance(block.value, dict) else {}
    what = {
        "grid.factors": "is a factor of this grid, whose levels",
        "search.space": "is searched over, and the search's values",
    }[where]
    reason = f"{what} would overwrite the value; use --set {where}."
    return tuple(
        Problem(SOURCE, None, key, f"{reason}{key}=[...]") for key, _ in layer.leaves() if key in names
    )


def _own(
    faults: Sequence[Fault], key: str, mark: Mark, beside: Sequence[str], has_base: bool, where: Where
) -> Iterator[Problem]:
    """Faults that this level has by itself, whatever levels other keys take beside it."""
    block = key.rpartition(".")[0]
    for fault in faults:
        at = fault.problem.key
        # A check of several keys names one in its place and the others in its text.
        names = [at.rpartition(".")[2], *fault.problem.reason.split()]
        mending = [each for each in beside if each != key and each.rpartition(".")[2] in names]
        settled = {
            "itself": at == key or at.startswith(f"{key}["),
            "kind": has_base and at == key and f"{block}.kind" not in beside,
            "others": has_base and at.rpartition(".")[0] == block and not mending,
        }
        if settled[fault.hangs_on]:
            yield problem_at(mark, key, fault.problem.reason, where)
