"""What is drawn stands where its number says."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from ablab.reporting.plots.intervals import Row, Rule, intervals
from ablab.reporting.plots.paired import Pair, paired
from ablab.reporting.plots.svg import Plot

SVG = "{http://www.w3.org/2000/svg}"


def drawing(plot: Plot) -> ElementTree.Element:
    return ElementTree.fromstring(plot.standalone(""))


def forest(rows: list[Row], **options: object) -> ElementTree.Element:
    given = {"rules": [Rule(0.0, "", "zero")], **options}
    return drawing(intervals(rows, name="p", title="t", description="d", axis="a", **given))


def test_points_and_intervals_are_in_proportion() -> None:
    root = forest([Row("a", 0.0, -0.02, 0.02), Row("b", 0.01, 0.0, 0.03)])
    points = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(f"{SVG}circle")]
    bars = [e for e in root.iter(f"{SVG}line") if e.get("class") == "s0 stroke interval"]
    wide = [(float(b.get("x1")), float(b.get("x2"))) for b in bars if b.get("y1") == b.get("y2")]
    unit = (wide[0][1] - wide[0][0]) / 0.04  # drawn width of 1 r
    assert points[1][0] - points[0][0] == pytest.approx(0.01 * unit, abs=0.02)
    assert wide[1][1] - points[1][0] == pytest.approx(0.02 * unit, abs=0.02)
    assert points[1][1] > points[0][1]
    (zero,) = [e for e in root.iter(f"{SVG}line") if e.get("class") == "rule zero"]
    assert float(zero.get("x1")) == pytest.approx(points[0][0], abs=0.02)


def test_a_rule_near_by_is_drawn_and_one_far_away_named_at_the_edge() -> None:
    rows = [Row("a", 0.0, -0.02, 0.02)]
    near = forest(rows, rules=[Rule(0.03, "ridge 0.1", "floor")])
    assert [e.get("class") for e in near.iter(f"{SVG}line") if "floor" in e.get("class", "")] == [
        "rule floor"
    ]
    far = forest(rows, rules=[Rule(-0.5, "chance 0.0", "chance"), Rule(0.7, "ridge 0.9", "floor")])
    assert not [e for e in far.iter(f"{SVG}line") if "rule" in e.get("class", "")]
    texts = [e.text for e in far.iter(f"{SVG}text")]
    assert "◂ chance 0.0" in texts
    assert "ridge 0.9 ▸" in texts


def test_the_upper_axis_shows_sums() -> None:
    root = forest([Row("a", 0.0, -0.02, 0.02)], origin=(0.15, "test r"))
    places = {e.text: float(e.get("x")) for e in root.iter(f"{SVG}text")}
    assert places["0.15"] == pytest.approx(places["0.00"], abs=0.05)
    assert places["0.16"] == pytest.approx(places["+0.01"], abs=0.05)


def test_rows_without_interval_or_value_are_drawn_as_far_as_they_go() -> None:
    root = forest([Row("a", 0.1), Row("b", None), Row("c", 0.2, 0.1, 0.3, kind="main")])
    assert len(list(root.iter(f"{SVG}circle"))) == 2
    assert len([e for e in root.iter(f"{SVG}line") if "interval" in e.get("class", "")]) == 3


def test_names_are_escaped_and_long_ones_cut() -> None:
    plot = intervals([Row("<b>" + "x" * 90, 0.1)], name="p", title='<t "q">', description="a & b", axis="<i>")
    root = drawing(plot)
    assert root.find(f"{SVG}title").text == '<t "q">'
    labels = [e.text for e in root.iter(f"{SVG}text")]
    assert any(label.startswith("<b>xxx") and label.endswith("…") for label in labels)


def test_pairs_are_sorted_by_gain_and_counted() -> None:
    plot = paired(
        [Pair("up", 0.1, 0.2), Pair("down", 0.2, 0.1)], arms=("old", "new"), metric="r", name="p", title="t"
    )
    texts = [e.text for e in drawing(plot).iter(f"{SVG}text")]
    assert "1 of 2 higher" in texts
    assert texts.index("down") < texts.index("up")
