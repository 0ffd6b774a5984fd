"""The page as a machine, a keyboard and a screen reader find it; browsers look at it in test_browser.py."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.comparison.made_up import LEVELS, additive, table
from tests.comparison.study import full_factorial, run
from tests.reporting.study.made import Page, report_of

from ablab.comparison.study_report import StudyReport
from ablab.reporting.study.html import render
from ablab.reporting.study.sections import SECTIONS

HOSTILE = """<script>alert("x")</script> & 'q' ]]> --> {{ 7 * 7 }}"""


@pytest.fixture(scope="module")
def report() -> StudyReport:
    records = table(additive, n_subjects=6, seeds=range(5))
    records[7] = replace(records[7], status="failed", subjects=(), metrics={}, error="loss is NaN")
    return report_of(records, levels=LEVELS, floor=0.155)


@pytest.fixture(scope="module")
def page(report: StudyReport) -> Page:
    return Page(render(report))


def test_it_needs_no_network(page: Page) -> None:
    for each in page.elements:
        assert each.tag not in ("script", "iframe", "object", "embed", "img", "base"), each.tag
        for name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
            assert each.attributes.get(name, "#").startswith(("#", "data:,")), (each.tag, each.attributes)
        assert not any(name.startswith("on") for name in each.attributes)
    style = "".join(each.text for each in page.all("style"))
    assert "url(" not in style
    assert "@import" not in style


def test_it_has_landmarks_a_language_and_one_heading_order(page: Page) -> None:
    assert page.all("html")[0].attributes["lang"] == "en"
    assert [each.text for each in page.all("title") if "svg" not in each.inside] == [
        "made_up: ablation report"
    ]
    for landmark in ("header", "main", "nav", "footer"):
        assert len(page.all(landmark)) == 1, landmark
    levels = [int(each.tag[1]) for each in page.elements if re.fullmatch("h[1-6]", each.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_ids_are_unique_and_every_reference_is_there(page: Page) -> None:
    ids = [each.attributes["id"] for each in page.elements if "id" in each.attributes]
    assert sorted(ids) == sorted(set(ids))
    for each in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            for target in each.attributes.get(name, "").split():
                assert target in ids, (each.tag, target)
        if each.tag == "a":
            assert each.attributes["href"][1:] in ids


def test_the_first_link_skips_to_the_sections(page: Page) -> None:
    first = page.all("a")[0]
    assert first.attributes["class"] == "skip"
    assert first.attributes["href"] == "#sections"


def test_every_table_has_a_caption_and_scoped_headers(page: Page) -> None:
    tables, captions = page.all("table"), page.all("caption")
    assert len(tables) == len(captions) > 8
    assert all(each.text.strip() for each in captions)
    assert all(each.attributes.get("scope") in ("col", "row") for each in page.all("th"))


def test_every_plot_speaks_for_itself(page: Page) -> None:
    plots = page.all("svg")
    assert len(plots) >= 6
    for each in plots:
        assert each.attributes["role"] == "img"
        assert len(each.attributes["aria-labelledby"].split()) == 2
    assert len(page.all("desc")) == len(plots)


def test_what_scrolls_can_be_reached_by_keyboard(page: Page) -> None:
    boxes = [each for each in page.elements if each.attributes.get("class") == "scroll"]
    assert len(boxes) > 10
    for each in boxes:
        assert each.attributes["tabindex"] == "0"
        assert each.attributes["role"] == "region"
        assert "aria-label" in each.attributes or "aria-labelledby" in each.attributes


def test_it_opens_with_banner_answer_scope_arms_forest_and_advice(report: StudyReport, page: Page) -> None:
    text = render(report)
    order = [
        "Simulated data: shows that the machinery works",
        "On simulated listeners: gated·mlp·gs2 improves test r by",
        'id="arms-caption"',
        "Holds for",
        "Recommendation",
        'id="forest-title"',
        'id="sections"',
        'id="cells"',
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "ridge 0.155" in text
    assert "chance 0.020" in text


def test_every_section_is_there_with_its_link(report: StudyReport, page: Page) -> None:
    names = [make(report).name for make in SECTIONS]
    sections = [each.attributes.get("id") for each in page.all("section")]
    assert [name for name in sections if name in names] == names
    assert [each.attributes["href"] for each in page.all("a") if "nav" in each.inside] == [
        f"#{name}" for name in names
    ]


def test_a_failed_run_is_listed_with_its_reason(page: Page) -> None:
    excluded = next(each for each in page.all("section") if each.attributes.get("id") == "excluded")
    assert "failed: loss is NaN" in excluded.text


def test_the_command_to_make_it_again_stands_in_the_provenance(page: Page) -> None:
    assert any("ablab grid run ablations/made_up.yaml" in each.text for each in page.all("code"))


def test_whatever_a_user_writes_is_text_and_nothing_else() -> None:
    subjects = {HOSTILE: 0.1, "b": 0.2, "c": 0.15}
    records = [run(seed=seed, scores=subjects, label=HOSTILE) for seed in range(3)]
    records += [
        run(f"{HOSTILE} 2", seed, subjects, label=f"{HOSTILE} 2", factors={HOSTILE: HOSTILE})
        for seed in range(3)
    ]
    records.append(
        replace(run(f"{HOSTILE} 2", 7, label=f"{HOSTILE} 2"), status="failed", subjects=(), error=HOSTILE)
    )
    text = render(report_of(records, study=HOSTILE, treatment=f"{HOSTILE} 2"))
    page = Page(text)
    assert page.all("script") == []
    assert "<script" not in text
    assert "49" not in page.all("h1")[0].text
    assert '<script>alert("x")</script>' in page.all("h1")[0].text
    shown = [each for each in page.all("td") if HOSTILE in each.text]
    assert shown, "the reason of a failure is shown as it was written"


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([run(seed=0)], id="one run"),
        pytest.param([run(seed=seed, scores={"a": 0.1}) for seed in range(2)], id="one cell, one subject"),
        pytest.param(full_factorial(seeds=[0]), id="one seed"),
        pytest.param(full_factorial(seeds=range(3))[:-2], id="unbalanced"),
    ],
)
def test_small_studies_have_a_page_too(records: list) -> None:
    page = Page(render(report_of(records)))
    assert len(page.all("section")) >= len(SECTIONS)
    assert "None" not in "".join(each.text for each in page.all("td"))
    assert "nan" not in "".join(each.text.lower() for each in page.all("svg"))


def test_a_metric_that_is_no_correlation_has_a_page() -> None:
    page = Page(render(report_of(full_factorial(), metric="gradient/ratio")))
    assert page.all("h1")[0].text == (
        "On simulated listeners: gated·mlp·gs2 and none·linear·gs1 score the same to the last digit: every "
        "difference is zero."
    )
    assert "Chance is known for the test r, not for gradient/ratio." in "".join(p.text for p in page.all("p"))


def test_a_large_study_is_cut_and_says_where_the_rest_is() -> None:
    records = [
        run(f"cell{i:03}", seed, {"a": 0.1 + i / 1000, "b": 0.2}, label=f"cell {i:03}")
        for i in range(230)
        for seed in range(2)
    ]
    text = render(report_of(records, reference="cell000", treatment="cell001"))
    assert "217 more cells: see all cells" in text
    assert "30 more cells: in the CSV." in text
    assert len(text) < 700_000
