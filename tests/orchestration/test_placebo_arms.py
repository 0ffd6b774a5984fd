"""Placebo arms trained for real: a tiny grid, in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tiny

from ablab.designs.placebos import is_placebo
from ablab.orchestration.grid import run_grid
from ablab.paths import Paths
from ablab.spec.grid import FRESH_SEEDS
from ablab.spec.load import load_grid
from ablab.tracking.memory import MemoryStore


def test_placebos_are_trained_beside_the_grid_and_only_once(tmp_path: Path, paths: Paths) -> None:
    grid = tiny.write(tmp_path)
    grid.write_text(grid.read_text() + "analysis: {placebos: [no_eeg, a_a]}\n")
    loaded, store = load_grid(grid), MemoryStore()
    result = run_grid(loaded, paths=paths, store=store, launcher="inline")
    assert (result.completed, len(result.failures)) == (5, 0)
    again = run_grid(loaded, paths=paths, store=store, launcher="inline")
    assert (again.completed, again.skipped) == (0, 5)

    runs = {record.cell: record for record in store.records(loaded.study)}
    assert sum(map(is_placebo, runs)) == 3
    plain, shuffled, fresh = (
        runs[f"mlp_head=false{control}"] for control in ("", ",control=no_eeg", ",control=a_a")
    )
    assert (plain.seed, shuffled.seed, fresh.seed) == (0, 0, FRESH_SEEDS)
    assert shuffled.data_fingerprint == plain.data_fingerprint
    assert shuffled.experiment.dataset.shuffle_eeg == 0 and plain.experiment.dataset.shuffle_eeg is None
    assert fresh.experiment == plain.experiment
    # The same first weights and the same windows, but other EEG; and other weights on the same EEG.
    ours, placebo, other = (
        np.load(store.artifact(record.run_id, "predictions.npz")) for record in (plain, shuffled, fresh)
    )
    np.testing.assert_array_equal(ours["target_0"], placebo["target_0"])
    assert not np.array_equal(ours["prediction_0"], placebo["prediction_0"])
    assert not np.array_equal(ours["prediction_0"], other["prediction_0"])
    for record in runs.values():
        assert all(score.chance_p is not None and 0 < score.chance_p <= 1 for score in record.subjects)
        assert 0 < record.metrics["test/chance_p"] <= 1
