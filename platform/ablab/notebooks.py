"""A study for notebooks: its runs, scores, curves and effects as DataFrames (``ablab.load_study``)."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import pandas as pd

from ablab.comparison.convergence import CURVE
from ablab.comparison.findings import Findings
from ablab.comparison.measured import measured
from ablab.comparison.study_report import StudyReport
from ablab.comparison.values import Comparison
from ablab.orchestration.study_report import report_study
from ablab.paths import Paths
from ablab.reporting.rows import flat_row
from ablab.reporting.study.answer import answer
from ablab.reporting.study.html import render
from ablab.spec.load import load_grid
from ablab.spec.record import RunRecord
from ablab.tracking.lookup import latest
from ablab.tracking.open import open_store
from ablab.tracking.store import RunStore


def load_study(
    study: str | Path | None = None, *, root: str | Path | None = None, store: RunStore | None = None
) -> Study:
    """Read a study.

    study: its name, or its grid's file; None for the latest one. root: the state root; None for
    ``ABLAB_HOME``, or ``mlruns`` in the working folder. store: where the runs are; None for the store that
    the commands open.

    Raises NotFoundError (study, nothing finished), SpecError (file), MixedRecordsError, StoreError.
    """
    paths = Paths.from_environment() if root is None else Paths(Path(root).absolute())
    store = open_store(paths) if store is None else store
    if study is None:
        name = latest(store)
    elif Path(study).suffix in (".yaml", ".yml"):
        name = load_grid(Path(study)).study
    else:
        name = str(study)
    return Study(report_study(name, paths=paths, store=store), store)


class Study:
    """What a study holds and what it says. Every table is made when it is first asked for."""

    def __init__(self, report: StudyReport, store: RunStore) -> None:
        self._store = store
        self.report = report
        """All that the report tells, as values."""

    def __repr__(self) -> str:
        return f"<Study {self.name}: {self.answer}>"

    @property
    def name(self) -> str:
        """The study's name."""
        return self.comparison.study

    @property
    def answer(self) -> str:
        """The declared contrast in one sentence, as the report has it."""
        return answer(self.report).sentence

    @property
    def findings(self) -> Findings:
        """Everything that follows from the runs, as values."""
        return self.report.findings

    @property
    def comparison(self) -> Comparison:
        """Every cell against the reference, as values."""
        return self.report.comparison

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run of any status: identity, state, factors, and its final metrics."""
        return pd.DataFrame(
            {
                **_identity(run),
                "status": run.status,
                "started": pd.Timestamp(run.started),
                "seconds": run.seconds,
                "error": run.error,
                **run.metrics,
            }
            for run in self.report.records
        )

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per finished run, subject and metric; ``subject`` is empty where the run has one value."""
        return pd.DataFrame(
            {**_identity(run), "subject": subject, "metric": metric, "value": value}
            for run in self._finished
            for subject, metric, value in measured(run)
        )

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell: mean, difference to the reference, interval, p, verdict; the reference first."""
        return pd.DataFrame([dict(flat_row(row)) for row in self.comparison.rows])

    @cached_property
    def effects(self) -> pd.DataFrame:
        """One row per contrast of a main effect or a two-way interaction; none where the cells allow none."""
        found = self.findings.factorial
        rows = [
            {
                "kind": kind,
                "factor": effect.name,
                "levels": contrast.name,
                "difference": contrast.effect.test.mean,
                "ci_low": contrast.effect.test.ci_low,
                "ci_high": contrast.effect.test.ci_high,
                "p_value": contrast.effect.test.p_value,
                "holm_p": contrast.holm_p,
                "verdict": contrast.verdict.kind,
                "n_backgrounds": contrast.n_backgrounds,
            }
            for kind, effects in (("main", found.main), ("interaction", found.interactions))
            for effect in effects
            for contrast in effect.contrasts
        ]
        return pd.DataFrame(rows, columns=_EFFECT_COLUMNS)

    @cached_property
    def subjects(self) -> pd.DataFrame:
        """One row per subject of the declared contrast: both arms, difference, chance."""
        names = ("subject", "reference", "treatment", "difference", "chance_mean", "chance_p95")
        rows = [{name: getattr(row, name) for name in names} for row in self.findings.subjects]
        return pd.DataFrame(rows, columns=list(names))

    def curves(self, metric: str = CURVE) -> pd.DataFrame:
        """One row per finished run and step of a metric."""
        courses = self._store.courses(self.name, metric)
        return pd.DataFrame(
            (
                {**_identity(run), "step": step, "value": value}
                for run in self._finished
                for step, value in courses.get(run.run_id, ())
            ),
            columns=[*(_identity(self.report.records[0]) if self.report.records else ()), "step", "value"],
        )

    def html(self) -> str:
        """The report as one page."""
        return render(self.report)

    @property
    def _finished(self) -> list[RunRecord]:
        return [run for run in self.report.records if run.status == "finished"]


_EFFECT_COLUMNS = [
    *("kind", "factor", "levels", "difference", "ci_low", "ci_high", "p_value", "holm_p", "verdict"),
    "n_backgrounds",
]


def _identity(run: RunRecord) -> dict[str, object]:
    return {"cell": run.cell, "label": run.label, **run.factors, "seed": run.seed, "run": run.key}
