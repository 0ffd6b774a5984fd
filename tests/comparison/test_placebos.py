"""The platform's own false positives, from placebo arms of made-up studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests.comparison.study import FULL, ORIGINAL, two_arms

from ablab.comparison.compare import compare
from ablab.comparison.quasi_t import crossed_quasi_t
from ablab.comparison.values import Comparison
from ablab.spec.record import RunRecord


def with_placebos(real: np.ndarray, no_eeg: np.ndarray, a_a: np.ndarray) -> list[RunRecord]:
    """A study whose placebo differences are exactly these, each (n_subjects, n_seeds)."""
    without = [
        replace(each, cell=f"{each.cell},control=no_eeg", key=f"e{each.key[1:]}")
        for each in two_arms(no_eeg, level=0.0)
    ]
    again = [
        replace(each, cell=f"{ORIGINAL},control=a_a", key=f"a{each.key[1:]}")
        for each in two_arms(a_a)
        if each.cell == FULL
    ]
    return [*two_arms(real), *without, *again]


def compared(records: Sequence[RunRecord]) -> Comparison:
    return compare(records, study="s", reference=ORIGINAL, treatment=FULL)


def test_each_placebo_is_tested_against_what_it_equals() -> None:
    rng = np.random.default_rng(0)
    real, no_eeg, a_a = (rng.normal(mean, 0.01, (6, 5)) for mean in (0.1, 0.0, 0.0))
    found = compared(with_placebos(real, no_eeg, a_a)).placebos
    assert [(arm.kind, arm.against) for arm in found] == [
        ("a_a", ORIGINAL),
        ("no_eeg", f"{ORIGINAL},control=no_eeg"),
    ]
    for arm, differences in zip(found, (a_a, no_eeg), strict=True):
        oracle = crossed_quasi_t(differences)
        assert arm.effect.test.mean == pytest.approx(differences.mean())
        assert (arm.effect.test.ci_low, arm.effect.test.ci_high) == pytest.approx(
            (float(oracle.ci_low), float(oracle.ci_high))
        )
        assert arm.verdict == "no difference" and not arm.false_positive
    assert found[1].above_chance is not None and found[1].above_chance[1] == 10


def test_a_difference_where_there_is_none_is_a_false_positive() -> None:
    rng = np.random.default_rng(1)
    null, wrong = rng.normal(0, 0.002, (6, 5)), rng.normal(0.05, 0.002, (6, 5))
    found = compared(with_placebos(null, -wrong, null)).placebos
    assert [arm.false_positive for arm in found] == [False, True]


def test_identical_arms_show_no_difference_and_one_seed_tests_nothing() -> None:
    zeros = np.zeros((4, 3))
    assert [arm.verdict for arm in compared(with_placebos(zeros, zeros, zeros)).placebos] == [
        "no difference"
    ] * 2
    one = np.zeros((4, 1))
    assert [arm.verdict for arm in compared(with_placebos(one, one, one)).placebos] == ["not tested"] * 2


def test_a_study_without_placebos_has_none_and_they_touch_no_other_row() -> None:
    rng = np.random.default_rng(2)
    real = rng.normal(0.02, 0.01, (6, 5))
    plain = compared(two_arms(real))
    assert plain.placebos == ()
    beside = compared(with_placebos(real, np.zeros((6, 5)), np.zeros((6, 5))))
    assert beside.rows[:2] == plain.rows
    assert not any(row.below_chance or row.below_floor for row in beside.rows[2:])
