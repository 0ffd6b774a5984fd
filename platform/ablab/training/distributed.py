"""The processes that train one trial together, as a value; the only door to ``torch.distributed``.

One process alone is the ordinary case, in which every function here does nothing. Where there are several,
each of these functions is called by all of them, in the same order: one that does not leaves the others
waiting. What is handed over goes through gloo, exactly; gradients go through NCCL where they are on GPUs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ablab.errors import InputError
from ablab.models.decoder import Decoder

T = TypeVar("T")

_PATIENCE = timedelta(hours=2)
"""How long a process waits for the others. A process that dies ends the others at once; this only has to be
longer than anything that one of them does while the others wait."""


@dataclass(frozen=True, slots=True)
class World:
    """This process among those of the trial.

    >>> ALONE.any(True), ALONE.gather("mine"), ALONE.first("mine")
    (True, ['mine'], 'mine')
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process reports and writes."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """True in every process where it is True in one."""
        if self.size == 1:
            return flag
        flags = torch.tensor([int(flag)])
        dist.all_reduce(flags, op=dist.ReduceOp.MAX)
        return bool(flags.item())

    def gather(self, value: T) -> list[T]:
        """Every process's value, by rank."""
        if self.size == 1:
            return [value]
        gathered: list[Any] = [None] * self.size
        dist.all_gather_object(gathered, value)
        return gathered

    def first(self, value: T) -> T:
        """The first process's value; those of the others are not looked at."""
        if self.size == 1:
            return value
        held: list[Any] = [value]
        dist.broadcast_object_list(held, src=0, device=torch.device("cpu"))
        return cast("T", held[0])

    def wait(self) -> None:
        """Go on when every process has come here."""
        self.any(False)

    def wrap(self, decoder: Decoder) -> nn.Module:
        """What the forward pass of training calls; backward leaves the mean gradient in every process.

        All begin with the first one's weights and buffers. Afterwards the buffers (BatchNorm's running
        statistics) are each process's own, until `synchronise`. Parameters that the loss does not reach
        keep no gradient.
        """
        if self.size == 1 or not any(parameter.requires_grad for parameter in decoder.parameters()):
            return decoder
        return DistributedDataParallel(
            decoder, broadcast_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=True
        )

    def mean(self, values: Tensor) -> Tensor:
        """Element by element over the processes, the same bits in each."""
        if self.size == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.size

    def synchronise(self, decoder: nn.Module) -> None:
        """Give every process the first one's buffers."""
        if self.size > 1:
            for buffer in decoder.buffers():
                dist.broadcast(buffer, src=0)


ALONE = World()


@contextmanager
def joined(device: str) -> Iterator[tuple[World, torch.device]]:
    """Join the processes that torchrun started; gives this one's world and its device.

    device: ``cpu``, or ``auto`` for one GPU each where there are GPUs. Left by an error, nobody is waited
    for: the others may never come.
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    place = place_of(int(os.environ["LOCAL_RANK"]), size, device, torch.cuda.device_count())
    if place.type == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group("cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo", timeout=_PATIENCE)
    world = World(rank, size)
    yield world, place
    world.wait()
    dist.destroy_process_group()


def place_of(rank: int, size: int, device: str, n_gpus: int) -> torch.device:
    """The device of one of ``size`` processes on this machine.

    >>> place_of(1, 2, "auto", n_gpus=4)
    device(type='cuda', index=1)
    >>> place_of(1, 2, "auto", n_gpus=0)
    device(type='cpu')
    """
    if device == "cpu" or (device == "auto" and not n_gpus):
        return torch.device("cpu")
    if device not in ("auto", "cuda"):
        raise InputError(
            f"device {device!r} is one device, and training.processes is {size}; use 'auto' or 'cpu', and "
            "choose GPUs by CUDA_VISIBLE_DEVICES"
        )
    if n_gpus < size:
        raise InputError(
            f"training.processes is {size}, each on a GPU of its own, and {n_gpus} can be seen; "
            "use fewer, or the device 'cpu'"
        )
    return torch.device("cuda", rank)
