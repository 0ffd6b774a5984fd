"""Which of the processes of a trial computes what, in training and in evaluation. Pure: nothing is sent."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Share(NamedTuple):
    """One process's part of an epoch."""

    windows: NDArray[np.int64]
    """Positions among the epoch's windows, in the order of the steps; every step has ``batch_size`` of them,
    but the last may have fewer."""
    weights: NDArray[np.float64]
    """Per step: what the mean loss of the own windows is multiplied by, so that the mean over the processes
    is the mean over all windows of the step. 0 where the own window is a stand-in for none."""


def training_share(n_windows: int, batch_size: int, rank: int, size: int) -> Share:
    """The windows of process ``rank`` out of ``size``, each of which takes ``batch_size`` in a step.

    Together the shares hold every window once. Where the last step has fewer windows than there are
    processes, those left without one decode the step's first window with weight 0: a step needs all of them.

    >>> [training_share(11, 2, rank, 2).windows.tolist() for rank in (0, 1)]
    [[0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10]]
    >>> training_share(11, 2, 1, 2).weights.round(3).tolist()
    [1.0, 1.0, 0.667]
    """
    windows, weights = [], []
    for first in range(0, n_windows, batch_size * size):
        step = np.arange(first, min(first + batch_size * size, n_windows), dtype=np.int64)
        own = np.array_split(step, size)[rank]
        weights.append(len(own) * size / len(step))
        windows.append(own if len(own) else step[:1])
    return Share(np.concatenate(windows), np.array(weights))


def evaluation_rows(n_rows: int, batch_size: int, rank: int, size: int) -> NDArray[np.int64]:
    """The rows that process ``rank`` decodes: whole batches, cut as one process alone would cut them.

    The sums in a batch depend on what else is in it, so the batches must not depend on how many share them.

    >>> [evaluation_rows(7, 2, rank, 3).tolist() for rank in range(3)]
    [[0, 1, 6], [2, 3], [4, 5]]
    """
    rows = np.arange(n_rows, dtype=np.int64)
    own: NDArray[np.int64] = rows[rows // batch_size % size == rank]
    return own
