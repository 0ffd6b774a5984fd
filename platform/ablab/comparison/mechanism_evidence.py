"""What is known of every layer group in two cells of a study: changes paired by seed, contributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from ablab.comparison.mean_test import mean_test
from ablab.comparison.mechanism_values import STACK, Change, Contribution, Evidence
from ablab.comparison.quasi_t import LEAST_SEEDS
from ablab.comparison.run_diagnosis import groups_in
from ablab.comparison.table import matrices, paired, seeds_of, tidy
from ablab.comparison.values import MeanTest, ModelScope
from ablab.designs.controls import content_key, control_key
from ablab.spec.experiment import Experiment
from ablab.spec.grid import Analysis, Control
from ablab.spec.identity import NOT_IDENTITY, flatten
from ablab.spec.record import RunRecord

_SCALE = frozenset({"improvements.gradient_scale", "improvements.gradient_scale_position"})
"""Keys in which cells may differ for their gradient ratios to be comparable."""

_CONTROLS: tuple[tuple[Control, str], ...] = (
    ("frozen_stack", "trained minus frozen stack"),
    ("no_stack", "trained minus no stack"),
)
"""Controls that a contribution is measured against, the better first."""

Runs = Mapping[int, RunRecord]
"""Seed -> the finished run of one cell."""
Value = Callable[[RunRecord], float | None]


def collect(
    finished: Sequence[RunRecord], treatment: str, reference: str, analysis: Analysis
) -> tuple[list[Evidence], list[str]]:
    """Evidence on the stack and on every layer group of both cells, and what the reader must know of it."""
    ours, theirs = _runs(finished, treatment), _runs(finished, reference)
    seeds = sorted(ours.keys() & theirs.keys())
    mine, other = next(iter(ours.values())).experiment, next(iter(theirs.values())).experiment
    notes = []
    toggles = different_toggles(mine, other)
    if toggles:
        notes.append(
            f"gradient ratios are not compared: the cells differ in {', '.join(toggles)}, which moves them"
        )
    one_each = {run.cell: run.experiment for run in finished}  # replicates share their spec
    cells = {content_key(experiment): cell for cell, experiment in reversed(one_each.items())}
    own = _Contributions(finished, mine, ours, analysis, cells)
    base = _Contributions(finished, other, theirs, analysis, cells)
    found = []
    for group in _groups(ours, theirs):
        drift = _metric("weights/drift", group)
        own_drift = _own_test([drift(run) for run in ours.values()], analysis.alpha)
        contribution = own.of(group)
        before = base.of(group)
        found.append(
            Evidence(
                group=group,
                n_seeds=len(seeds),
                ratio=None
                if toggles
                else _change(_metric("gradient/ratio_mean", group), ours, theirs, analysis.alpha),
                update=_change(_metric("update_ratio_mean", group), ours, theirs, analysis.alpha),
                drift=_change(drift, ours, theirs, analysis.alpha),
                drift_low=None if own_drift is None else own_drift.ci_low,
                contribution=contribution,
                reference_contribution=before,
                gain=_gain(own, base, group, contribution, before, analysis),
            )
        )
    if mine.improvements.residual == "none":
        notes.append(
            "without a residual a bypassed stack leaves the head an input it never saw: only trained controls"
            " (analysis.controls) can say what the stack contributes"
        )
    return found, notes


def different_toggles(ours: Experiment, theirs: Experiment) -> list[str]:
    """Keys beside the gradient scale in which two experiments differ."""
    a, b = flatten(ours), flatten(theirs)
    skipped = NOT_IDENTITY | _SCALE
    keys = dict.fromkeys((*a, *b))
    return [key for key in keys if key not in skipped and a.get(key) != b.get(key)]


def scope_of(source: str, analysis: Analysis) -> ModelScope:
    """A bypass drop has one value per run, so seeds alone, however the models were trained."""
    return "pooled" if source == "bypass drop" else analysis.model_scope


class _Contributions:
    """What the parts of one cell contribute, from its runs and those of its controls."""

    def __init__(
        self,
        finished: Sequence[RunRecord],
        experiment: Experiment,
        runs: Runs,
        analysis: Analysis,
        cells: Mapping[str, str],
    ) -> None:
        """cells: content key -> cell."""
        self._analysis = analysis
        self._runs = runs
        self._residual = experiment.improvements.residual
        self._stack: tuple[str, pd.DataFrame] | None = None
        self.residual = self._residual
        own = next(iter(runs.values())).cell
        for control, source in _CONTROLS:
            cell = cells.get(control_key(experiment, control) or "")
            if cell is None:
                continue
            scores = matrices(tidy(finished, "test/pearson"), (own, cell))
            differences = scores[own] - scores[cell]
            if not paired(scores[own], scores[cell]).differences.size:
                continue
            self._stack = source, differences.dropna(axis="columns", how="all").dropna(axis="index")
            break

    def of(self, group: str) -> Contribution | None:
        """None where nothing measures it."""
        matrix, source, metric = self.matrix(group)
        if matrix is None or not matrix.size:
            return None
        scope = scope_of(source, self._analysis)
        test = mean_test(matrix.to_numpy(dtype=np.float64), self._analysis.alpha, scope)
        return Contribution(source, metric, test, len(seeds_of(matrix)))  # type: ignore[arg-type]

    def matrix(self, group: str) -> tuple[pd.DataFrame | None, str, str]:
        """Subjects (or one row) by seeds, how it was measured, and in which r."""
        if group == STACK and self._stack is not None:
            return self._stack[1], self._stack[0], "test/pearson"
        if group == STACK and self._residual == "none":
            return None, "bypass drop", "validation/pearson"
        name = f"bypass/{group}"
        drops = {seed: run.metrics[name] for seed, run in self._runs.items() if name in run.metrics}
        matrix = pd.DataFrame([drops]) if drops else None
        return matrix, "bypass drop", "validation/pearson"


def _gain(
    own: _Contributions,
    base: _Contributions,
    group: str,
    contribution: Contribution | None,
    before: Contribution | None,
    analysis: Analysis,
) -> MeanTest | None:
    """Contribution in the treatment minus that in the reference, where they were measured alike."""
    if contribution is None or before is None or contribution.source != before.source:
        return None
    if contribution.source == "bypass drop" and own.residual != base.residual:
        return None
    ours, theirs = own.matrix(group)[0], base.matrix(group)[0]
    assert ours is not None and theirs is not None
    differences = paired(ours, theirs).differences
    scope = scope_of(contribution.source, analysis)
    return mean_test(differences, analysis.alpha, scope) if differences.size else None


def _change(value: Value, ours: Runs, theirs: Runs, alpha: float) -> Change | None:
    """Factor between two cells over the seeds that both have; None where a value is not there or not > 0."""
    pairs = [(value(ours[seed]), value(theirs[seed])) for seed in sorted(ours.keys() & theirs.keys())]
    known = [(a, b) for a, b in pairs if a is not None and b is not None and a > 0 and b > 0]
    if len(known) < LEAST_SEEDS or len(known) < len(pairs):
        return None
    logs = np.array([[math.log(a / b) for a, b in known]])
    test = mean_test(logs, alpha, "pooled")
    assert test.ci_low is not None and test.ci_high is not None
    treatment, reference = (float(np.mean(side)) for side in zip(*known, strict=True))
    return Change(reference, treatment, math.exp(test.ci_low), math.exp(test.ci_high))


def _own_test(values: Sequence[float | None], alpha: float) -> MeanTest | None:
    known = [value for value in values if value is not None]
    return mean_test(np.array([known]), alpha, "pooled") if len(known) > 1 else None


def _metric(name: str, group: str) -> Value:
    """The metric of a group; of the stack its mean over the blocks."""

    def value(run: RunRecord) -> float | None:
        if group != STACK:
            return run.metrics.get(f"{name}/{group}")
        blocks = [found for key, found in run.metrics.items() if key.startswith(f"{name}/{STACK}.")]
        return sum(blocks) / len(blocks) if blocks else None

    return value


def _groups(ours: Runs, theirs: Runs) -> list[str]:
    """The stack, and the groups that both cells have measured, front to rear."""
    both = [
        {
            name.removeprefix("weights/drift/")
            for run in runs.values()
            for name in run.metrics
            if name.startswith("weights/drift/")
        }
        for runs in (ours, theirs)
    ]
    groups = groups_in(f"weights/drift/{group}" for group in both[0] & both[1])
    has_stack = any(group.startswith(f"{STACK}.") for group in groups)
    return [*([STACK] if has_stack else []), *groups]


def _runs(finished: Sequence[RunRecord], cell: str) -> dict[int, RunRecord]:
    return {record.seed: record for record in finished if record.cell == cell}
