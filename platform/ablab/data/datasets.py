"""Kind of data set -> how it is opened. A new kind is one module and one line in `DATASETS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ablab.data import simulate, split_folder
from ablab.data.corpus import Corpus, DataSummary
from ablab.data.shuffled import shuffled
from ablab.paths import Paths
from ablab.spec.experiment import Dataset


class Source(Protocol):
    """What the module of a kind offers; all raise DataError for what cannot be used."""

    @property
    def open_corpus(self) -> Callable[[Any, Paths], Corpus]:
        """The corpus, checked and guarded against leakage."""

    @property
    def fingerprint(self) -> Callable[[Any, Paths], str]:
        """The content's hash; keeps no array."""

    @property
    def holds_out_stimuli(self) -> Callable[[Any], bool]:
        """Whether no test recording has a part in another split."""

    @property
    def summary(self) -> Callable[[Any, Paths], DataSummary]:
        """What is told of it; leakage is told, not raised."""


DATASETS: dict[str, Source] = {
    "split_folder": split_folder,
    "simulated": simulate,
}


def open_corpus(dataset: Dataset, paths: Paths) -> Corpus:
    """The recordings that this block of an experiment names, checked, with its subset applied.

    The fingerprint is that of the recordings, also where their EEG is shuffled (``dataset.shuffle_eeg``).
    """
    corpus = DATASETS[dataset.kind].open_corpus(dataset, paths)
    return corpus if dataset.shuffle_eeg is None else shuffled(corpus, dataset.shuffle_eeg)


def fingerprint(dataset: Dataset, paths: Paths) -> str:
    """Hash of the data's contents, part of every trial's key."""
    return DATASETS[dataset.kind].fingerprint(dataset, paths)


def holds_out_stimuli(dataset: Dataset) -> bool:
    """Whether the data are split by stimulus: no test recording has a part in another split.

    That no other recording in training carries the same stimulus is the leakage guard's to say.
    """
    return DATASETS[dataset.kind].holds_out_stimuli(dataset)


def summary(dataset: Dataset, paths: Paths) -> DataSummary:
    """What a plan or a report says about the data."""
    return DATASETS[dataset.kind].summary(dataset, paths)
