"""Original against original: how often a whole study, compared as a real one, says that it improved."""

from __future__ import annotations

import numpy as np
from tests.comparison.study import FULL, ORIGINAL, two_arms

from ablab.comparison.compare import compare

STUDIES = 200


def test_of_200_studies_of_original_against_original_at_most_ten_say_improved() -> None:
    rng = np.random.default_rng(2026)
    said: list[str] = []
    for number in range(STUDIES):
        n_subjects, n_seeds = (20, 5) if number % 2 else (8, 10)
        arms = (
            rng.normal(0, 0.01, (2, n_subjects, 1))
            + rng.normal(0, 0.01, (2, 1, n_seeds))
            + rng.normal(0, 0.01, (2, n_subjects, n_seeds))
        )
        records = two_arms(arms[1] - arms[0])
        primary = compare(records, study="a_a", reference=ORIGINAL, treatment=FULL).primary
        said.append(primary.verdict.kind)
    assert said.count("improved") <= 10
    assert said.count("worse") <= 10
    assert said.count("improved") + said.count("worse") > 0  # a test that never fires proves nothing
    assert set(said) <= {"improved", "worse", "inconclusive", "equivalent"}


def test_with_three_seeds_none_says_improved_however_large_the_effect() -> None:
    rng = np.random.default_rng(7)
    for effect in (0.0, 0.1):
        for _ in range(20):
            differences = effect + rng.normal(0, 0.01, (20, 3))
            primary = compare(two_arms(differences), study="a_a", reference=ORIGINAL, treatment=FULL).primary
            assert primary.verdict.kind not in ("improved", "worse")
            assert primary.verdict.exploratory
