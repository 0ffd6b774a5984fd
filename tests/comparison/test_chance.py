"""Subjects against chance over the runs of a cell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.comparison.study import run

from ablab.comparison.chance import subject_chance
from ablab.spec.record import SubjectScore


def score(subject: str, test: float, p95: float, p: float | None, *, seen: bool = True) -> SubjectScore:
    return SubjectScore(subject, 1, 4, None, test, p95 / 4, p95, seen, p)


def test_over_runs_the_mean_of_r_and_the_worst_of_chance() -> None:
    runs = [
        replace(run(seed=0), subjects=(score("a", 0.1, 0.04, 0.01), score("u", 0.0, 0.1, 0.5, seen=False))),
        replace(run(seed=1), subjects=(score("a", 0.2, 0.06, 0.03),)),
        replace(run(seed=2), subjects=(score("a", 0.9, 0.9, 0.9),), status="failed"),
    ]
    (found,) = subject_chance(runs)
    assert (found.subject, found.n_runs, found.chance_p95, found.p_value) == ("a", 2, 0.06, 0.03)
    assert (found.r, found.chance_mean) == pytest.approx((0.15, 0.0125))


def test_a_run_without_p_leaves_the_subject_without() -> None:
    runs = [replace(run(seed=s), subjects=(score("a", 0.1, 0.04, p),)) for s, p in ((0, 0.01), (1, None))]
    (found,) = subject_chance(runs)
    assert found.p_value is None
