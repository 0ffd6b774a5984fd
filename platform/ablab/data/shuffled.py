"""Recordings whose EEG says nothing of the sound: the placebo that shows what a decoder scores without EEG.

The EEG of each recording, in each split, is cut into blocks of one second, which then stand in a random
order, none where it was; all channels alike. Its amplitudes and its spectrum above 1 Hz stay, and the
envelope is untouched. Training, validation and test are all shuffled: nothing can be learnt, nothing scored.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ablab.data.corpus import SFREQ, Corpus, Recording

BLOCK = SFREQ
"""Samples of a block: one second, longer than the response to a sound (0 to 400 ms) that a decoder uses."""

NOTICE = "placebo: the EEG is shuffled in time and says nothing of the sound"


def shuffled(corpus: Corpus, seed: int) -> Corpus:
    """The corpus with every recording's EEG shuffled; nothing is read before it is asked for.

    The order of a recording depends on the seed and on its split, subject and name alone.
    """
    return replace(
        corpus,
        train=tuple(_shuffled(part, "train", seed) for part in corpus.train),
        validation=tuple(_shuffled(part, "validation", seed) for part in corpus.validation),
        test=tuple(_shuffled(part, "test", seed) for part in corpus.test),
        notices=(*corpus.notices, NOTICE),
    )


def block_order(n_times: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Sample numbers in shuffled order: ``(n_times,)``.

    Blocks are of a second, or of half the recording where that is shorter.
    A cyclic permutation of the blocks (Sattolo 1986, Inf. Proc. Letters 22, 315-317), so that no block stays.

    >>> block_order(4, np.random.default_rng(0)).tolist()
    [2, 3, 0, 1]
    """
    length = max(1, min(BLOCK, n_times // 2))
    starts = list(range(0, n_times, length))
    for last in range(len(starts) - 1, 0, -1):
        other = int(rng.integers(last))
        starts[last], starts[other] = starts[other], starts[last]
    return np.concatenate([np.arange(start, min(start + length, n_times)) for start in starts])


@dataclass(frozen=True, slots=True, eq=False)
class ShuffledRows:
    """A memory-mapped array whose rows are read in another order; no more than is asked for is read."""

    rows: NDArray[np.float32]
    order: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.rows.shape

    @property
    def nbytes(self) -> int:
        """Of the array."""
        return self.rows.nbytes

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        return self.rows[self.order[part]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.rows[self.order], dtype=dtype)


def _shuffled(recording: Recording, split: str, seed: int) -> Recording:
    name = "/".join((split, recording.subject, recording.name))
    own = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    order = block_order(recording.n_times, np.random.default_rng([seed, own]))
    # Whatever reads recordings takes slices of them or all: what an array gives, this gives.
    eeg = cast("NDArray[np.float32]", ShuffledRows(recording.eeg, order))
    return replace(recording, eeg=eeg)
