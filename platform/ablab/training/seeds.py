"""All randomness of a trial, from its one seed, in streams that do not disturb one another.

``SeedSequence(seed, spawn_key=(stream,))`` gives each stream: what draws more in one place (another
model, another loss) leaves the windows of every epoch as they are. Two cells under one seed therefore see
the same windows in the same order, which is what makes their difference a paired one. Python's ``random``
is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor
from torch.utils import deterministic


class Stream(IntEnum):
    """What a stream is for. The numbers are part of every result: never renumber, only append."""

    INITIALISATION = 0
    """The model's first weights (torch's global generator)."""
    DROPOUT = 1
    """Dropout masks while training (torch's global generator)."""
    WINDOWS = 2
    """Which windows make up an epoch, and their order."""
    CHANCE = 3
    """Circular shifts of the chance level."""


def generator(seed: int, stream: Stream, rank: int = 0) -> np.random.Generator:
    """NumPy generator of a stream, each process of a distributed trial having its own."""
    return np.random.default_rng(_sequence(seed, stream, rank))


def seed_torch(seed: int, stream: Stream, rank: int = 0) -> None:
    """Put torch's global generators, of all devices, at the start of a stream."""
    torch.manual_seed(int(_sequence(seed, stream, rank).generate_state(1, np.uint64)[0] >> np.uint64(1)))


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Where torch's global generators stand."""
    state = {"cpu": torch.get_rng_state()}
    return state | {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def set_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Put torch's global generators where `random_state` found them."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


@contextmanager
def reproducible(threads: int, device: torch.device) -> Iterator[None]:
    """Torch set up to give the same bits again; whatever it was before is restored on leaving.

    Sums depend on the number of threads, so it is set, not bounded. On a GPU the choice of kernels by
    timing is off; its sums may still differ in the last bits from run to run. float32 is float32 there:
    PyTorch would compute convolutions, and if told so products, with 10 bits of mantissa (TF32).
    """
    threads_before = torch.get_num_threads()
    algorithms = torch.get_deterministic_debug_mode()
    fill = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    on_gpu = device.type == "cuda"
    with (
        _exact_kernels(device) if on_gpu else nullcontext(),
        torch.random.fork_rng([device] if on_gpu else []),
    ):
        try:
            torch.set_num_threads(threads)
            # The same switch as torch.use_deterministic_algorithms, which would import the compiler (2 s).
            torch.set_deterministic_debug_mode("default" if on_gpu else "error")
            # Filling fresh memory with NaN is a debugging aid that costs a pass over every result.
            deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
            yield
        finally:
            torch.set_num_threads(threads_before)
            torch.set_deterministic_debug_mode(algorithms)
            deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


@contextmanager
def _exact_kernels(device: torch.device) -> Iterator[None]:
    """The GPU as the current one, its kernels neither chosen by timing nor computing in TF32.

    cuDNN's attention is left out: PyTorch takes it where there is no bias that needs a gradient, so with
    relative positions scores would come from another kernel than training.
    """
    cuda, cudnn, matmul = torch.backends.cuda, torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32
    attention = cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    with torch.cuda.device(device):
        try:
            cudnn.benchmark, cudnn.deterministic = False, True
            cudnn.allow_tf32 = matmul.allow_tf32 = False
            cuda.enable_cudnn_sdp(False)
            yield
        finally:
            cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32 = before
            cuda.enable_cudnn_sdp(attention)


def _sequence(seed: int, stream: Stream, rank: int) -> np.random.SeedSequence:
    # The first process draws what a trial of one process draws.
    return np.random.SeedSequence(seed, spawn_key=(int(stream), rank) if rank else (int(stream),))
