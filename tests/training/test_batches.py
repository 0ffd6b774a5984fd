from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import numpy as np
import pytest
import torch

from ablab.data.corpus import Corpus
from ablab.data.windows import WindowIndex
from ablab.models.decoder import UNSEEN
from ablab.training.batches import ahead, autocast, batches, subject_columns

CPU = torch.device("cpu")


def test_columns_come_from_the_recorded_table(corpus: Corpus) -> None:
    assert subject_columns(corpus.train, corpus.subjects).tolist() == [1, 1, 2]


def test_a_subject_outside_the_table_is_unseen(corpus: Corpus) -> None:
    assert subject_columns(corpus.train, ("ann",)).tolist() == [0, 0, UNSEEN]


def test_all_windows_in_order_and_a_smaller_last_batch(corpus: Corpus) -> None:
    index = WindowIndex(np.array([2, 0, 0, 1, 2]), np.array([5, 0, 90, 17, 536]))
    sizes, row = [], 0
    for batch in batches(corpus.train, np.array([1, 1, 2]), index, 64, 2, CPU):
        sizes.append(len(batch.eeg))
        for eeg, envelope, subject in zip(*batch, strict=True):
            number, start = index.recording[row], index.start[row]
            recording = corpus.train[number]
            assert np.array_equal(eeg, recording.eeg[start : start + 64])
            assert np.array_equal(envelope, recording.envelope[start : start + 64])
            assert corpus.subjects[int(subject)] == recording.subject
            row += 1
    assert (sizes, row) == ([2, 2, 1], 5)


def test_a_batch_is_made_one_ahead_and_comes_in_its_place() -> None:
    made: Queue[int] = Queue()

    def numbers() -> Iterator[Any]:
        for number in range(4):
            made.put(number)
            yield number

    seen = []
    for number in ahead(numbers()):
        seen.append(number)
        while len(seen) < 4 and made.get(timeout=10) <= number:
            pass
        assert made.empty()
    assert seen == [0, 1, 2, 3]


def test_what_goes_wrong_ahead_is_raised_in_its_place() -> None:
    def broken() -> Iterator[Any]:
        yield 0
        raise OSError("the file is gone")

    made = ahead(broken())
    assert next(made) == 0  # type: ignore[comparison-overlap]
    with pytest.raises(OSError, match="the file is gone"):
        next(made)


def test_batches_left_early_leave_no_thread() -> None:
    made = ahead(iter(range(9)))  # type: ignore[arg-type]
    next(made)
    made.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_precision_is_that_of_the_forward_pass(precision: str, dtype: torch.dtype) -> None:
    layer = torch.nn.Linear(3, 2)
    with autocast(precision, CPU):
        assert layer(torch.zeros(1, 3)).dtype == dtype
    assert layer.weight.dtype == torch.float32
