from __future__ import annotations

import numpy as np
import pytest

from ablab.training.shards import evaluation_rows, training_share


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("n_windows", [1, 4, 7, 15, 24, 31])
@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_training_shares_are_disjoint_and_complete(size: int, n_windows: int, batch_size: int) -> None:
    shares = [training_share(n_windows, batch_size, rank, size) for rank in range(size)]
    counted = []
    for share in shares:
        steps = [share.windows[i : i + batch_size] for i in range(0, len(share.windows), batch_size)]
        assert len(steps) == len(share.weights) == -(-n_windows // (batch_size * size))
        counted += [
            window for step, weight in zip(steps, share.weights, strict=True) if weight for window in step
        ]
    assert sorted(counted) == list(range(n_windows))


def test_the_weights_make_every_window_of_a_step_count_the_same() -> None:
    losses = np.random.default_rng(0).random(19)
    shares = [training_share(19, 4, rank, 3) for rank in range(3)]
    for step, whole in enumerate((losses[:12], losses[12:])):
        of_processes = [
            share.weights[step] * losses[share.windows[4 * step : 4 * step + 4]].mean() for share in shares
        ]
        assert np.mean(of_processes) == pytest.approx(whole.mean())


def test_one_process_takes_all_in_order() -> None:
    share = training_share(10, 4, 0, 1)
    assert share.windows.tolist() == list(range(10))
    assert share.weights.tolist() == [1.0, 1.0, 1.0]


def test_a_process_without_a_window_stands_in_with_weight_0() -> None:
    # The last step has the windows 6 and 7 for three processes.
    shares = [training_share(8, 2, rank, 3) for rank in range(3)]
    assert [share.windows[-1] for share in shares] == [6, 7, 6]
    assert [share.weights[-1] for share in shares] == [1.5, 1.5, 0.0]


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("n_rows", [0, 1, 31, 32, 33, 100])
def test_evaluation_batches_do_not_depend_on_how_many_share_them(size: int, n_rows: int) -> None:
    alone = {tuple(range(n_rows)[i : i + 32]) for i in range(0, n_rows, 32)}
    shared = [evaluation_rows(n_rows, 32, rank, size) for rank in range(size)]
    cut = [tuple(rows[i : i + 32].tolist()) for rows in shared for i in range(0, len(rows), 32)]
    assert set(cut) == alone
    assert len(cut) == len(alone)
