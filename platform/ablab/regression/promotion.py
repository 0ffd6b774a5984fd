"""A cell of a study becomes a baseline: what was reached is written down, so that its loss can be noticed."""

from __future__ import annotations

import getpass
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean

from ablab.comparison.comparable import check_comparable
from ablab.comparison.compare import by_cell, known_cell
from ablab.comparison.figures import plural
from ablab.errors import InputError, MixedRecordsError, NotFoundError
from ablab.orchestration.declared import analysis_of
from ablab.paths import Paths, is_safe_name
from ablab.regression import manifest
from ablab.regression.measuring import hosts, learning_curves
from ablab.regression.noninferiority import LEAST_SEEDS
from ablab.regression.values import BASELINE, Baseline, Measured
from ablab.spec.record import RunRecord
from ablab.tracking import provenance
from ablab.tracking.baselines import BaselineRegistry, Version
from ablab.tracking.store import RunStore


@dataclass(frozen=True, slots=True)
class Promotion:
    """What was promoted."""

    version: Version
    baseline: Baseline
    notes: tuple[str, ...]

    @property
    def mean(self) -> float | None:
        """Mean test r over the seeds."""
        return mean_score(self.baseline)


def mean_score(baseline: Baseline) -> float | None:
    """Mean test r over a baseline's seeds; None where no run has one."""
    scores = [run.metrics["test/pearson"] for run in baseline.runs if "test/pearson" in run.metrics]
    return fmean(scores) if scores else None


def promote(
    study: str,
    *,
    name: str,
    cell: str | None = None,
    why: str = "",
    paths: Paths,
    store: RunStore,
    baselines: BaselineRegistry,
) -> Promotion:
    """Make the finished runs of a cell the baseline of this name.

    cell: id or label; None takes the study's only cell, or the treatment of its declared contrast.

    Raises InputError (name), NotFoundError (study, cell, nothing finished), MixedRecordsError where the runs
    differ in spec, data or code, StoreError.
    """
    if not is_safe_name(name):
        raise InputError(f"--name: {name!r} is no plain name (letters, digits, '_', '.', '-')")
    records, declared = store.records(study), analysis_of(study, paths)
    if declared is not None:
        records = tuple(record for record in records if declared.holds(record))
    cells = by_cell(records)
    if not cells:
        raise NotFoundError(f"study '{study}' has no runs to promote; start them with 'ablab grid run FILE'")
    if cell is None:
        treatment = declared.treatment if declared is not None and len(cells) > 1 else next(iter(cells))
        if declared is None and len(cells) > 1:
            raise InputError(f"--cell: study '{study}' has several cells; give one: {', '.join(cells)}")
    else:
        treatment = known_cell(study, cell, cells)
    runs = cells.get(treatment, ())
    finished = sorted((run for run in runs if run.status == "finished"), key=lambda run: run.seed)
    _refuse_mixed(study, treatment, runs, finished)
    first = finished[0]
    host_of = hosts(store.states(study))
    baseline = Baseline(
        name=name,
        study=study,
        cell=treatment,
        label=first.label,
        experiment=first.experiment,
        data_fingerprint=first.data_fingerprint,
        code_fingerprint=first.code_fingerprint,
        environment=provenance.environment(),
        who=_who(),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        why=why,
        runs=tuple(
            Measured(
                cell=BASELINE,
                run_id=run.run_id,
                key=run.key,
                seed=run.seed,
                host=host_of.get(run.run_id, ""),
                metrics=dict(run.metrics),
                subjects=run.subjects,
                curves=learning_curves(run.run_id, store),
            )
            for run in finished
        ),
    )
    version = baselines.register(name, study, manifest.write(baseline), _tags(baseline))
    return Promotion(version, baseline, _notes(runs, finished))


def _refuse_mixed(study: str, cell: str, runs: Sequence[RunRecord], finished: Sequence[RunRecord]) -> None:
    if not finished:
        counts = Counter(run.status for run in runs)
        states = ", ".join(f"{n} {status}" for status, n in counts.items()) or "none"
        raise NotFoundError(f"study '{study}': cell {cell} has no finished run to promote (runs: {states})")
    check_comparable(finished)
    codes = sorted({run.code_fingerprint for run in finished})
    if len(codes) > 1:
        raise MixedRecordsError(
            f"study '{study}': the runs of cell {cell} were made by {len(codes)} versions of the code "
            f"({', '.join(code[:8] for code in codes)}), so they are no one state to hold others against; "
            "'ablab grid run FILE --stale rerun' trains the older ones again"
        )


def _notes(runs: Sequence[RunRecord], finished: Sequence[RunRecord]) -> tuple[str, ...]:
    notes = [
        f"left out: seed {run.seed} is {run.status}{f' ({run.error})' if run.error else ''}"
        for run in runs
        if run.status != "finished"
    ]
    if len(finished) < LEAST_SEEDS:
        notes.append(
            f"{plural(len(finished), 'seed')}: a gate needs {LEAST_SEEDS} and is inconclusive with fewer"
        )
    return tuple(notes)


def _tags(baseline: Baseline) -> dict[str, str]:
    """What the registry's pages show of a version."""
    return {
        "study": baseline.study,
        "cell": baseline.cell,
        "label": baseline.label,
        "seeds": ", ".join(str(seed) for seed in baseline.seeds),
        "test_pearson": f"{mean_score(baseline) or 0.0:.6f}",
        "data_fingerprint": baseline.data_fingerprint,
        "code_fingerprint": baseline.code_fingerprint,
        "who": baseline.who,
        "when": baseline.when,
        "why": baseline.why[:4000],
    }


def _who() -> str:
    """The user of a team's server, else of this machine; a container may have no name for its user."""
    named = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"
