"""Whether records may be compared: one data set, and specs that differ in declared factors only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from ablab.comparison.figures import plural
from ablab.errors import MixedRecordsError
from ablab.spec.experiment import Level
from ablab.spec.identity import NOT_IDENTITY, flatten
from ablab.spec.record import RunRecord

SHOWN = 4
"""So many keys or runs are named in a message before the rest is counted."""


COURSE = ("training.epochs", "training.schedule.")
"""Keys of how long and at what rate is trained; where cells differ in them, reports say so."""


def check_comparable(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """Notes that every report of these finished runs has to carry.

    Raises MixedRecordsError where the runs mix data sets, hold a (cell, seed) twice, or differ in keys
    that are not declared as factors. In a study without factors (named cells) a cell is its experiment
    file, so cells may differ in any key, the keys are noted, and the runs of one cell must agree.
    """
    if not records:
        return ()
    study = records[0].study
    _one_data_set(study, records)
    specs = [_spec(record) for record in records]
    declared = {key for record in records for key in record.factors}
    notes = []
    differing = _differing(specs)
    if declared:
        undeclared = [key for key in differing if not _covered(key, declared)]
        _refuse_undeclared(study, records, undeclared)
    elif differing:
        notes.append(f"cells are whole experiment files; they differ in {_named(differing)}")
    if unequal := [key for key in differing if key.startswith(COURSE)]:
        notes.append(
            f"cells differ in {_named(unequal)}: arms are not trained equally, so a difference may be one of "
            "training length or rate"
        )
    by_cell: dict[str, list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        by_cell[record.cell].append(index)
    for cell, members in by_cell.items():
        keys = _differing([specs[index] for index in members])
        if keys:
            raise MixedRecordsError(
                f"study '{study}': runs of cell {cell} differ in {_named(keys)}, so they are not replicates; "
                "the study holds runs of two versions of its spec. Run the present one under a new name "
                "(ablab grid run FILE --study NAME)"
            )
    _refuse_twice(study, records)
    return tuple(notes)


def _one_data_set(study: str, records: Sequence[RunRecord]) -> None:
    counts = Counter(record.data_fingerprint for record in records)
    if len(counts) > 1:
        listed = ", ".join(
            f"{fingerprint[:8]} ({plural(n, 'run')})" for fingerprint, n in counts.most_common()
        )
        raise MixedRecordsError(
            f"study '{study}': its runs were trained on {len(counts)} different data sets: {listed}. "
            "Differences between them are not effects of a factor; run each data set under its own study "
            "(ablab grid run FILE --study NAME)"
        )


def _refuse_undeclared(study: str, records: Sequence[RunRecord], keys: Sequence[str]) -> None:
    if not keys:
        return
    key = keys[0]
    levels: dict[str, RunRecord] = {}
    for record in records:
        levels.setdefault(repr(_spec(record).get(key)), record)
    shown = ", ".join(
        f"{level} in {record.cell} seed {record.seed}" for level, record in list(levels.items())[:2]
    )
    raise MixedRecordsError(
        f"study '{study}': runs differ in {_named(keys)}, not declared as factor ({key}: {shown}). "
        "Declare it under 'factors', or run the present spec under a new name "
        "(ablab grid run FILE --study NAME)"
    )


def _refuse_twice(study: str, records: Sequence[RunRecord]) -> None:
    counts = Counter((record.cell, record.seed) for record in records)
    (cell, seed), n = counts.most_common(1)[0]
    if n > 1:
        raise MixedRecordsError(
            f"study '{study}': {n} finished runs of cell {cell} seed {seed}; a replicate counts once. Run "
            "the present spec under a new name (ablab grid run FILE --study NAME)"
        )


def scope_notes(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """What to say of ``model_scope: per_subject`` where a run was trained on several subjects.

    Its test over subjects takes their models to be independent. Runs that share a model over subjects share
    its luck, and that test then finds differences where there are none (docs/statistics.md).
    """
    most = max((sum(score.seen for score in record.subjects) for record in records), default=0)
    if most < 2:
        return ()
    return (
        f"model_scope per_subject is declared, and runs were trained on up to {most} subjects each: unless "
        "the model keeps separate weights for every subject, the test over subjects takes the luck of few "
        "trainings for an effect; declare model_scope pooled",
    )


def code_notes(records: Sequence[RunRecord], code: str) -> tuple[str, ...]:
    """What to say of finished runs of other code than ``code``, the fingerprint of ablab's code now.

    A run's fingerprint is that of ablab, and behind a ``+`` the package of a plug-in, which not all cells
    need.
    """
    return (*_ablab_notes(records, code), *_package_notes(records))


def _ablab_notes(records: Sequence[RunRecord], code: str) -> tuple[str, ...]:
    """The line on runs of other code of ablab's own.

    They were kept on request, so all are named and none is refused. Where several versions are pooled and
    none is the code now, the runs of other code than most are named.
    """
    codes = [record.code_fingerprint.partition("+")[0] for record in records]
    counts = Counter(codes)
    if set(counts) <= {code}:
        return ()
    if len(counts) == 1:
        return (f"all {len(records)} runs were made by other code than the code now",)
    usual = code if code in counts else counts.most_common(1)[0][0]
    seeds: dict[str, list[int]] = defaultdict(list)
    for record, made_by in zip(records, codes, strict=True):
        if made_by != usual:
            seeds[record.label].append(record.seed)
    named = "; ".join(
        f"{label} {', '.join(f's{seed}' for seed in sorted(of))}" for label, of in seeds.items()
    )
    others = len(records) - counts[usual]
    if usual == code:
        return (f"{others} of {len(records)} runs were made by other code than the code now: {named}",)
    return (
        f"{len(counts)} code versions are pooled, none of them the code now; most runs are {usual[:8]}, "
        f"others: {named}",
    )


def _package_notes(records: Sequence[RunRecord]) -> list[str]:
    """The line on each plug-in package of which several versions are pooled."""
    packages = sorted({record.code_fingerprint.partition("+")[2] for record in records} - {""})
    versions: dict[str, list[str]] = defaultdict(list)
    for package in packages:
        name, _, version = package.rpartition(" ")
        versions[name].append(version)
    return [
        f"{len(found)} versions of the plug-in package {name} are pooled: {', '.join(found)}"
        for name, found in versions.items()
        if len(found) > 1
    ]


def _covered(key: str, declared: set[str]) -> bool:
    """Whether a factor sets this key: itself, its block, or the ``kind`` that decides its block's keys.

    >>> _covered("training.schedule.gamma", {"training.schedule.kind"})
    True
    """
    blocks = (factor.removesuffix(".kind") for factor in declared)
    return key in declared or any(key.startswith(f"{block}.") for block in blocks)


def _spec(record: RunRecord) -> dict[str, Level]:
    return {key: value for key, value in flatten(record.experiment).items() if key not in NOT_IDENTITY}


def _differing(specs: Sequence[dict[str, Level]]) -> list[str]:
    """Keys whose value is not the same in all specs (a missing key counts as None), in spec order."""
    keys = dict.fromkeys(key for spec in specs for key in spec)
    return [key for key in keys if len({repr(spec.get(key)) for spec in specs}) > 1]


def _named(items: Sequence[str]) -> str:
    rest = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
