from __future__ import annotations

import re

from tests.comparison.made_up import LEVELS, additive, table
from tests.comparison.study import run
from tests.reporting.study.made import report_of

from ablab.reporting.study.markdown import MOST_CHARACTERS, escaped, render
from ablab.reporting.study.sections import SECTIONS

HOSTILE = "a|b <script> `x` **y** [z](http://q) @team #12\n# head"


def test_the_answer_is_in_sight_and_the_rest_folded() -> None:
    text = render(report_of(table(additive), levels=LEVELS, floor=0.16))
    head, _, rest = text.partition("<details>")
    assert head.startswith("## On simulated listeners: gated·mlp·gs2 improves test r by 0.0")
    assert "**Simulated data: shows that the machinery works" in head
    assert "| test r | 0." in head
    assert "**Holds for** new subjects: yes" in head
    assert "**Recommendation** Use " in head
    assert "> Below the linear model (ridge, 0.160)" in head
    assert text.count("<details>") == text.count("</details>") == len(SECTIONS)
    assert "```\nablab grid run ablations/made_up.yaml\n```" in rest


def test_every_table_is_whole() -> None:
    text = render(report_of(table(additive), levels=LEVELS))
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) >= 10
    for each in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in each.splitlines()}) == 1, each


def test_what_a_user_writes_stays_text() -> None:
    other = [run(HOSTILE, seed, label=HOSTILE, factors={"a": 1}) for seed in range(3)]
    text = render(report_of([*(run(seed=s) for s in range(3)), *other], study=HOSTILE, treatment=HOSTILE))
    text = re.sub(r"^(`{3,})\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)  # code is shown as it is
    assert "<script>" not in text
    assert "\n# head" not in text
    assert not re.search(r"(?<!\\)\]\(http", text)
    assert "@team" not in text
    assert escaped("*a*") == r"\*a\*"


def test_it_fits_a_pull_request_whatever_the_study() -> None:
    records = [
        run(
            f"cell with a long name {i:04} {'x' * 60}",
            seed,
            {f"sub-{s:03}": 0.1 + i / 1e4 for s in range(85)},
        )
        for i in range(120)
        for seed in range(2)
    ]
    first, second = records[0].cell, records[2].cell
    text = render(report_of(records, reference=first, treatment=second))
    assert len(text) < MOST_CHARACTERS < 65_536
    assert "more rows in report.html." in text
