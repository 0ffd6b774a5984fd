from __future__ import annotations

import numpy as np
import pytest

from ablab.tracking.histograms import BINS, histograms_of

LENGTHS = [500, 3, 0, 7000, 1, 64]


def _elements() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal(sum(LENGTHS)).astype(np.float32)


def test_each_runs_histogram_is_numpys() -> None:
    elements = _elements()
    drawn = histograms_of(elements, LENGTHS)
    runs = np.split(elements, np.cumsum(LENGTHS)[:-1])
    assert [one is None for one in drawn] == [len(run) == 0 for run in runs]
    for one, run in zip(drawn, runs, strict=True):
        if one is None:
            continue
        wide = run.astype(np.float64)
        if len(run) == 1:
            assert (one.low, one.high, one.n, sum(one.counts)) == (wide[0], wide[0], 1, 1)
            assert one.edges[0] == wide[0] - 0.5 and one.edges[-1] == wide[0] + 0.5
            continue
        counts, edges = np.histogram(wide, BINS, (wide.min(), wide.max()))
        assert one.counts == counts.tolist()
        np.testing.assert_allclose(one.edges, edges, rtol=1e-12, atol=1e-12)
        assert (one.n, one.low, one.high) == (len(run), wide.min(), wide.max())
        assert one.total == pytest.approx(wide.sum(), rel=1e-9)
        assert one.squares == pytest.approx(wide.dot(wide), rel=1e-12)


def test_what_is_not_finite_changes_nothing_beside_itself() -> None:
    elements = _elements()
    clean = histograms_of(elements, LENGTHS)
    spoilt = np.insert(elements, [0, 500, 500, 503, len(elements)], [np.nan, np.inf, np.nan, -np.inf, np.inf])
    found = histograms_of(spoilt.astype(np.float32), [502, 4, 1, 7000, 1, 65])
    assert found == clean


@pytest.mark.parametrize("elements", [[], [np.nan, np.inf]])
def test_nothing_finite_gives_no_histogram(elements: list[float]) -> None:
    assert histograms_of(np.array(elements, dtype=np.float32), [len(elements), 0]) == [None, None]
