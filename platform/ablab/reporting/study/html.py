"""The report as one HTML file that needs nothing else: no network, no script to read it."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ablab.comparison.study_report import StudyReport
from ablab.reporting.plots.svg import Plot
from ablab.reporting.study.sections import sections
from ablab.reporting.study.summary import summary


def render(report: StudyReport) -> str:
    """The page. Every text of a user's is escaped."""
    page = _environment().get_template("page.html.j2")
    return page.render(
        summary=summary(report),
        sections=sections(report),
        provenance=report.provenance,
        styles=Markup("\n".join(style(name) for name in ("page.css", "plot.css"))),
    )


def style(name: str) -> str:
    """A style sheet that ships with ablab."""
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ablab.reporting.study"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = _svg
    return environment


def _svg(plot: Plot) -> Markup:
    """A plot, whose texts were escaped when it was drawn."""
    return Markup(plot.svg)
