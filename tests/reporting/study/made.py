"""Reports of made-up studies, and what tests read out of a page."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser

from tests.comparison.study import FULL, ORIGINAL

from ablab.comparison.convergence import CURVE
from ablab.comparison.findings import findings
from ablab.comparison.study_report import Provenance, StudyReport
from ablab.orchestration.study_report import cost, courses
from ablab.spec.grid import Analysis
from ablab.spec.record import RunRecord

VOID = {"meta", "link", "br", "hr", "img", "input"}


def report_of(records: Sequence[RunRecord], *, study: str = "made_up", **options: object) -> StudyReport:
    """The report of these runs, each with a curve of three points; nothing measured inside the networks."""
    curves = {
        run.run_id: tuple(
            (step, run.metrics.get("test/pearson", 0.1) * step / 300) for step in (100, 200, 300)
        )
        for run in records
        if run.status == "finished"
    }
    options = {"reference": ORIGINAL, "treatment": FULL, "analysis": Analysis(), "n_draws": 300, **options}
    found = findings(
        records,
        study=study,
        curves={run_id: {CURVE: points} for run_id, points in curves.items()},
        **options,
    )
    return StudyReport(
        findings=found,
        records=tuple(records),
        courses=courses(found.comparison.rows, records, curves),
        mechanism=None,
        cost=cost(found.comparison.rows, records),
        provenance=Provenance(
            command="ablab grid run ablations/made_up.yaml",
            written="2026-01-01T00:00:00+00:00",
            data_fingerprints=("d" * 32,),
            code_fingerprints=("c" * 16,),
            origin={"torch_version": ("2.13.0",)},
            store="mlruns/mlflow.db",
        ),
        absent={"mechanism": "diagnostics were off", "claims": "no ledger was given"},
    )


class Page(HTMLParser):
    """Elements of a page in order, each with its attributes, ancestors and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert self._open == [], f"not closed: {[each.tag for each in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = Element(tag, {name: value or "" for name, value in attrs}, [each.tag for each in self._open])
        self.elements.append(found)
        if tag not in VOID:
            self._open.append(found)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1].tag == tag, f"</{tag}> closes {self._open[-1:]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for each in self._open:
            each.text += data

    def all(self, tag: str) -> list[Element]:
        return [each for each in self.elements if each.tag == tag]


class Element:
    def __init__(self, tag: str, attributes: dict[str, str], inside: list[str]) -> None:
        self.tag, self.attributes, self.inside, self.text = tag, attributes, inside, ""
