from __future__ import annotations

import numpy as np
import pytest
import torch

from ablab.training.seeds import Stream, generator, reproducible, seed_torch

CPU = torch.device("cpu")


def test_streams_differ_and_repeat() -> None:
    first = {stream: generator(3, stream).random() for stream in Stream}
    assert first == {stream: generator(3, stream).random() for stream in Stream}
    assert len(set(first.values())) == len(Stream)
    assert generator(4, Stream.WINDOWS).random() != first[Stream.WINDOWS]


def test_golden_streams() -> None:
    # A change here changes every result there is.
    assert [int(generator(0, stream).integers(2**31)) for stream in Stream] == GOLDEN
    seed_torch(0, Stream.DROPOUT)
    assert torch.initial_seed() == GOLDEN_DROPOUT


GOLDEN = [1722792823, 1421746522, 1409566257, 1916544930]
GOLDEN_DROPOUT = 2440950710608614359


def test_torch_streams_differ_and_repeat() -> None:
    drawn = []
    with reproducible(1, CPU):
        for stream in (Stream.INITIALISATION, Stream.DROPOUT, Stream.INITIALISATION):
            seed_torch(5, stream)
            drawn.append(torch.rand(4))
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


def test_everything_is_put_back() -> None:
    state = torch.get_rng_state()
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    with pytest.raises(KeyError), reproducible(2, CPU):
        assert torch.get_num_threads() == 2
        assert torch.are_deterministic_algorithms_enabled()
        seed_torch(1, Stream.DROPOUT)
        torch.rand(3)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), state)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
