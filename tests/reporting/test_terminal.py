from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from tests.comparison.study import FULL, ORIGINAL, full_factorial, run, two_arms

from ablab.comparison.compare import compare
from ablab.comparison.values import Comparison
from ablab.reporting.terminal import print_comparison, render
from ablab.spec.experiment import SplitFolder
from ablab.spec.grid import Analysis


def study(records=None, **options) -> Comparison:
    records = full_factorial() if records is None else records
    options = {"reference": ORIGINAL, "treatment": FULL, "floor": 0.155} | options
    return compare(records, study="quickstart", analysis=Analysis(), **options)


def printed(comparison: Comparison, **options) -> list[str]:
    """What a file receives."""
    out = io.StringIO()
    print_comparison(comparison, Console(file=out, highlight=False), **options)
    return out.getvalue().splitlines()


def table_of(lines: list[str]) -> list[str]:
    start = next(i for i, line in enumerate(lines) if line.startswith("cell "))
    return lines[start : start + 13]


def test_twelve_cells_with_three_seeds_fit_a_hundred_columns() -> None:
    lines = printed(study())
    assert lines[0].startswith("test/pearson, 8 subjects x 3 seeds, SIMULATED data. gated·mlp·gs2 against")
    assert max(map(len, lines)) <= 100
    header, *rows = table_of(lines)
    assert header.split("  ")[0] == "cell"
    assert len(rows) == 12
    assert all("exploratory" in row for row in rows[1:])
    assert "improved" not in "\n".join(lines).lower()
    assert not any(line != line.rstrip() for line in lines)


def test_numbers_stand_beneath_one_another() -> None:
    _, *rows = table_of(printed(study()))
    ends = {re.search(r" \.\d{4} ", row).end() for row in rows}
    assert len(ends) == 1
    deltas = {re.search(r" [+-]\.\d{4} ", row).end() for row in rows[1:]}
    assert len(deltas) == 1


def test_columns_that_do_not_fit_are_dropped_and_named() -> None:
    text = render(study(), 84).plain
    assert "not shown in 84 columns: drift, param, time (--format csv)" in text
    assert max(map(len, text.splitlines())) <= 84
    assert "exploratory, up" in text


def test_however_narrow_no_number_is_cut() -> None:
    narrow = render(study(), 40).plain
    for number in re.findall(r"[+-]\.\d{4}", "\n".join(table_of(printed(study())))):
        assert number in narrow


def test_lines_beneath_the_table() -> None:
    text = "\n".join(printed(study()))
    assert re.search(r"^effect    d_z [+-]\d\.\d\d   \d of 8 subjects higher \(\d+ % to \d+ %\)", text, re.M)
    assert re.search(
        r"^budget    SD by subject \.\d{4}, by seed \.\d{4}, residual \.\d{4}; \d+ %", text, re.M
    )
    assert re.search(r"^floor     ridge \.1550.*chance 95th percentile \.0200", text, re.M)
    assert "reference above it in 3 of 3 seeds" in text
    assert (
        "scope     new subjects yes   new seeds yes   new stimuli NO (fixed)   new splits NO (one split)"
        in text
    )
    assert "data      simulated: shows that the machinery works, says nothing about real EEG" in text
    assert text.endswith("next      ablab report quickstart   ablab ui")


def test_left_out_runs_are_counted_with_their_reason_and_log() -> None:
    records = full_factorial()
    records[5] = replace(records[5], status="failed", subjects=(), metrics={}, error="loss is NaN at step 88")
    lines = printed(study(records))
    assert "left out  1: none·linear·gs2·s2 (failed: loss is NaN at step 88)" in lines
    assert lines[-1].startswith(f"next      ablab logs {records[5].key[:8]}   ablab report")
    assert table_of(lines)[0].split()[:2] == ["cell", "seeds"]


def test_cells_below_the_ridge_are_named() -> None:
    text = " ".join(line.strip() for line in printed(study(floor=0.17)))
    assert re.search(r"ridge \.1700 \(BELOW it: none·linear·gs1, .* and \d more\)", text)
    text = " ".join(line.strip() for line in printed(study(floor=0.9)))
    assert "ridge .9000 (BELOW it: all 12 cells)" in text
    assert "ridge not known" in "\n".join(printed(study(floor=None)))


def test_a_long_table_is_cut_unless_all_is_asked_for() -> None:
    records = [run(f"cell{i:02}", seed, label=f"cell{i:02}") for i in range(20) for seed in range(2)]
    comparison = study(records, reference="cell00", treatment=None)
    assert "... 4 more: --all" in printed(comparison)
    assert "... 4 more: --all" not in printed(comparison, everything=True)
    assert sum(line.startswith("cell") for line in printed(comparison, everything=True)) == 21


def test_undeclared_p_values_carry_an_asterisk_from_five_seeds() -> None:
    lines = printed(study(full_factorial(seeds=range(5))))
    _, reference, treatment, *others = table_of(lines)
    assert "*" not in reference + treatment
    assert all("*" in row for row in others)
    assert any(line.startswith("*  ") and "only the declared contrast" in line for line in lines)


def test_accepted_leakage_and_notes_are_printed() -> None:
    folder = SplitFolder(accept_leakage="shared on purpose")
    records = [
        replace(r, experiment=r.experiment.model_copy(update={"dataset": folder}))
        for r in two_arms(np.zeros((4, 3)))
    ]
    lines = printed(study(records, notes=["the floor is old"]))
    assert "leakage   accepted: shared on purpose" in lines
    assert "note      the floor is old" in lines
    assert "real EEG" in lines[0]


@pytest.mark.parametrize("label", ["[bold]odd[/bold] · x", "a|b"])
def test_labels_are_text_and_not_markup(label: str) -> None:
    records = [replace(r, label=label) if r.cell == FULL else r for r in two_arms(np.zeros((4, 3)))]
    assert any(line.startswith(label.replace(" · ", "·")) for line in printed(study(records)))
