"""A corpus as values: recordings of several listeners, cut into train, validation and test.

Knows nothing of where the recordings come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SFREQ = 64
"""Samples per second of every recording, EEG and envelope alike."""

MIN_EVALUATION_SECONDS = 1.0
"""Shortest validation or test recording: r over fewer than 64 samples says nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One recording's part in one split, memory-mapped."""

    subject: str
    name: str
    eeg: NDArray[np.float32]
    """``(n_times, n_chans)``, z-scored with the recording's train part."""
    envelope: NDArray[np.float32]
    """``(n_times, 1)``."""

    @property
    def n_times(self) -> int:
        """Samples."""
        return len(self.eeg)


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Everything that training and baselines read."""

    n_chans: int
    sfreq: int
    """Hertz; always `SFREQ`."""
    subjects: tuple[str, ...]
    """The recorded table: a subject's position is its column in the subject embedding.

    It holds the subjects with training data. Others may occur in validation and test; they are unseen.
    """
    train: tuple[Recording, ...]
    validation: tuple[Recording, ...]
    test: tuple[Recording, ...]
    fingerprint: str
    """Hash of the contents, 32 hex digits; ``train_fraction`` is not in it."""
    notices: tuple[str, ...]
    """What reports say about the data, one sentence each."""
    simulated: bool

    @property
    def n_recordings(self) -> int:
        """Recordings, each counted once however many splits it has."""
        parts = self.train + self.validation + self.test
        return len({(part.subject, part.name) for part in parts})

    @property
    def minutes(self) -> float:
        """Minutes of EEG in all splits."""
        parts = self.train + self.validation + self.test
        return sum(part.n_times for part in parts) / self.sfreq / 60


@dataclass(frozen=True, slots=True)
class SharedStimulus:
    """Recordings of one split that carry the same envelope, sample for sample."""

    split: str
    recordings: tuple[str, ...]
    """``subject/recording``."""


@dataclass(frozen=True, slots=True)
class DataSummary:
    """What plans and reports say about a data set."""

    n_subjects: int
    n_recordings: int
    minutes: float
    leaked_segments: int
    """Segments of validation and test that stand in train too; above 0 only where ``accepted`` says why."""
    accepted: str | None
    """The reason given in ``dataset.accept_leakage``."""
    shared_stimuli: tuple[SharedStimulus, ...]
    notices: tuple[str, ...]
    simulated: bool
    n_unseen: int = 0
    """Those of ``n_subjects`` that have no training data."""


def samples(seconds: float) -> int:
    """Seconds as a whole number of samples.

    >>> samples(10.0)
    640
    """
    return round(seconds * SFREQ)
