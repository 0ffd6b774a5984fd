from __future__ import annotations

import pytest
from scipy.stats import binom

from ablab.scoring.binomial import guessing_bound


@pytest.mark.parametrize("chance", [0.5, 0.2])
@pytest.mark.parametrize("n_trials", [1, 2, 7, 20, 133, 5000])
def test_it_is_the_quantile_of_the_binomial_distribution(n_trials: int, chance: float) -> None:
    expected = binom.ppf(0.95, n_trials, chance) / n_trials
    assert guessing_bound(n_trials, chance) == pytest.approx(expected)


def test_guessing_exceeds_it_rarely_and_the_next_lower_one_too_often() -> None:
    bound = round(guessing_bound(100, 0.2) * 100)
    assert binom.sf(bound, 100, 0.2) <= 0.05 < binom.sf(bound - 1, 100, 0.2)


@pytest.mark.parametrize(("n_trials", "chance"), [(0, 0.5), (3, 0.0), (3, 1.0)])
def test_nothing_to_guess_is_refused(n_trials: int, chance: float) -> None:
    with pytest.raises(ValueError, match="it needs at least one, and a chance in"):
        guessing_bound(n_trials, chance)
