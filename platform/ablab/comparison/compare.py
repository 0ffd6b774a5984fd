"""Finished runs -> Comparison: the straight line through this package."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from ablab.comparison import verdicts
from ablab.comparison.chance import subject_chance
from ablab.comparison.comparable import check_comparable, scope_notes
from ablab.comparison.effects import effect
from ablab.comparison.figures import plural
from ablab.comparison.left_out import left_out, not_declared
from ablab.comparison.placebos import placebo_arms
from ablab.comparison.rows import cell_row
from ablab.comparison.table import PER_SUBJECT, matrices, paired, seeds_of, tidy
from ablab.comparison.values import Comparison, ModelScope, Row
from ablab.designs.controls import is_control
from ablab.designs.placebos import is_placebo
from ablab.errors import NotFoundError
from ablab.spec.grid import Analysis
from ablab.spec.record import RunRecord

Cells = Mapping[str, Sequence[RunRecord]]
"""Cell id -> its runs of any status."""


def compare(
    records: Sequence[RunRecord],
    *,
    study: str,
    analysis: Analysis | None = None,
    reference: str | None = None,
    treatment: str | None = None,
    metric: str | None = None,
    baseline: str | None = None,
    floor: float | None = None,
    superseded: Sequence[RunRecord] = (),
    notes: Sequence[str] = (),
) -> Comparison:
    """Every cell of a study against one of them.

    records: the study's runs of any status; pilot runs are passed over.
    analysis, reference, treatment: what was declared, with the contrast's cell ids; None where nothing was.
    metric: instead of the declared one. baseline: id or label of a cell, instead of the declared reference.
    floor: test r of the linear model. superseded: the study's runs that its declaration no longer holds,
    listed as left out. notes: lines that every report of this comparison must carry.

    Raises NotFoundError for an unknown metric or cell, or where no run is finished; MixedRecordsError where
    the runs may not be compared.
    """
    records = [record for record in records if record.role == "seed"]
    finished = [record for record in records if record.status == "finished"]
    if not finished:
        raise NotFoundError(_nothing_finished(study, records, superseded))
    remarks = check_comparable(finished)

    analysis = analysis or Analysis()
    metric = metric or analysis.metric
    _check_metric(study, metric, finished)
    cells = by_cell(records, declared=[cell for cell in (reference, treatment) if cell is not None])
    reference = reference or _original(records)
    baseline = reference if baseline is None else known_cell(study, baseline, cells)

    correlation = metric in PER_SUBJECT
    scope: ModelScope = analysis.model_scope if correlation else "pooled"  # else seeds are all there is
    if scope == "per_subject":
        remarks = (*remarks, *scope_notes(finished))
    sesoi = analysis.sesoi if correlation else None
    on_test = metric == "test/pearson"  # floor and chance are test scores, never set against another metric
    chance = _chance(cells[baseline]) if on_test else None
    floor = floor if on_test else None
    scores = matrices(tidy(finished, metric), cells)
    pairs = {cell: paired(scores[cell], scores[baseline]) for cell in cells if cell != baseline}

    rows = []
    for cell, runs in cells.items():
        found, verdict = None, verdicts.REFERENCE
        if cell in pairs:
            differences = pairs[cell].differences
            found = effect(differences, alpha=analysis.alpha, sesoi=sesoi, scope=scope)
            declared = (cell, baseline, metric) == (treatment, reference, analysis.metric)
            verdict = verdicts.decide(found, sesoi=sesoi, correlation=correlation, declared=declared)
        rows.append(
            cell_row(
                cell,
                runs,
                scores[cell],
                effect=found,
                verdict=verdict,
                alpha=analysis.alpha,
                scope=scope,
                floor=None if is_placebo(cell) else floor,
                chance=None if is_placebo(cell) else chance,
            )
        )
    datasets = [record.experiment.dataset for record in finished]
    return Comparison(
        study=study,
        metric=metric,
        per_subject_scores=metric in PER_SUBJECT,
        baseline=baseline,
        treatment=treatment,
        alpha=analysis.alpha,
        sesoi=sesoi,
        model_scope=scope,
        simulated=any(dataset.kind == "simulated" for dataset in datasets),
        accepted_leakage=tuple(
            dict.fromkeys(dataset.accept_leakage for dataset in datasets if dataset.accept_leakage)
        ),
        rows=_ordered(rows, baseline, treatment),
        excluded=(
            *left_out(cells, {cell: seeds_of(scores[cell]) for cell in cells}, pairs, baseline),
            *not_declared(superseded),
        ),
        floor=floor,
        chance=chance,
        above_chance=_above_chance(cells[baseline]) if on_test else None,
        chance_by_subject=subject_chance(cells[baseline]) if on_test else (),
        placebos=placebo_arms(
            cells,
            scores,
            treatment=treatment,
            reference=reference,
            alpha=analysis.alpha,
            sesoi=sesoi,
            scope=scope,
        ),
        notes=(*remarks, *notes),
    )


def by_cell(records: Sequence[RunRecord], declared: Sequence[str] = ()) -> Cells:
    """The runs of every cell; those declared are there even without a run."""
    cells: dict[str, list[RunRecord]] = {}
    for record in records:
        cells.setdefault(record.cell, []).append(record)
    for cell in declared:  # a declared cell of which nothing was run yet still has its row
        cells.setdefault(cell, [])
    return cells


def _original(records: Sequence[RunRecord]) -> str:
    """The cell with every improvement off, or else the first; one with a finished run where there is one."""
    ordered = sorted(records, key=lambda record: record.status != "finished")
    for record in ordered:
        on = record.experiment.improvements
        if is_control(record.cell):
            continue
        if on.residual == "none" and not on.mlp_head and on.gradient_scale == 1.0:
            return record.cell
    return ordered[0].cell


def _ordered(rows: Sequence[Row], baseline: str, treatment: str | None) -> tuple[Row, ...]:
    """Reference, declared treatment, then by falling mean, cells without a score last; then the controls."""

    def place(row: Row) -> tuple[bool, bool, bool, float, str]:
        mean = -math.inf if row.own.mean is None else row.own.mean
        return row.cell != baseline, row.cell != treatment, is_control(row.cell), -mean, row.cell

    return tuple(sorted(rows, key=place))


def _chance(runs: Sequence[RunRecord]) -> float | None:
    finished = (run for run in runs if run.status == "finished")
    limits = [run.metrics["test/chance_p95"] for run in finished if "test/chance_p95" in run.metrics]
    return max(limits) if limits else None


def _above_chance(runs: Sequence[RunRecord]) -> tuple[int, int] | None:
    metrics = [run.metrics for run in runs if run.status == "finished"]
    known = [m for m in metrics if "test/chance_p95" in m and "test/pearson" in m]
    above = sum(m["test/pearson"] > m["test/chance_p95"] for m in known)
    return (above, len(known)) if known else None


def _nothing_finished(study: str, records: Sequence[RunRecord], superseded: Sequence[RunRecord]) -> str:
    if superseded:
        return (
            f"study '{study}' has no finished run of the grid as last declared, and "
            f"{plural(len(superseded), 'run')} of an earlier version; finish it with 'ablab grid run FILE', "
            "or run the earlier version again to compare that"
        )
    if not records:
        return f"study '{study}' has no runs to compare; start them with 'ablab grid run FILE'"
    counts = Counter(record.status for record in records)
    states = ", ".join(f"{n} {status}" for status, n in counts.items())
    errors = [record for record in records if record.error]
    hint = f"; the first: {errors[0].error} (ablab logs {errors[0].key[:8]})" if errors else ""
    return f"study '{study}' has no finished run to compare ({states}){hint}"


def _check_metric(study: str, metric: str, finished: Sequence[RunRecord]) -> None:
    always = (name for name in PER_SUBJECT if not name.endswith("_unseen"))
    known = sorted({*always, *(name for record in finished for name in record.metrics)})
    if metric not in known:
        raise NotFoundError(f"study '{study}' has no metric '{metric}'; {_nearest(metric, known)}")


def known_cell(study: str, cell: str, cells: Cells) -> str:
    """Id of the cell of this id or label; NotFoundError with the nearest where there is none."""
    for name, runs in cells.items():
        label = runs[0].label if runs else name
        if cell in (name, label, verdicts.compact(label)):
            return name
    raise NotFoundError(f"study '{study}' has no cell '{cell}'; {_nearest(cell, list(cells))}")


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    if close:
        return "did you mean " + " or ".join(f"'{item}'" for item in close) + "?"
    return "it has " + ", ".join(known)
