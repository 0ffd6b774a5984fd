"""A training step's forward and backward pass, recorded once and replayed by the GPU without the host.

A step is hundreds of kernels, most of which a GPU is done with before the host has asked for the next one.
A CUDA graph asks for all of them at once (https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from ablab.training.batches import Batch

_BEFORE = 2
"""Steps of a batch size that are done as written before one is recorded: in them libraries allocate what they
need, and the compiler makes its code."""


class Replay:
    """Computes what ``compute`` does, its gradients included, from a recording wherever it has one.

    compute: puts fresh gradients into ``parameter.grad`` in every call, and gives a tensor. It must not make
    the host wait for the device, nor look at anything but its batch, weights and buffers, and torch's
    generator on the device, which gives a replay the numbers that a call as written would have had. What is
    given back, and the gradients, are good until the next call.
    """

    def __init__(self, compute: Callable[[Batch], Tensor], parameters: Sequence[Parameter]) -> None:
        self._compute = compute
        self._parameters = parameters
        self._seen: Counter[torch.Size] = Counter()
        self._recorded: dict[torch.Size, _Recording] = {}

    def __call__(self, batch: Batch) -> Tensor:
        """Of one batch; recordings are by its size."""
        size = batch.eeg.shape
        self._seen[size] += 1
        if self._seen[size] <= _BEFORE:
            return self._compute(batch)
        if size not in self._recorded:
            self._recorded[size] = _Recording(self._compute, self._parameters, batch)
        return self._recorded[size].replay(batch)


class _Recording:
    def __init__(
        self, compute: Callable[[Batch], Tensor], parameters: Sequence[Parameter], batch: Batch
    ) -> None:
        self._parameters = parameters
        self._batch = Batch(*(part.clone() for part in batch))
        self._graph = torch.cuda.CUDAGraph()
        for parameter in parameters:
            parameter.grad = None
        # Batches may be on their way from another thread meanwhile, which has its own stream and may go on.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._result = compute(self._batch)
        self._gradients = [parameter.grad for parameter in parameters]

    def replay(self, batch: Batch) -> Tensor:
        for own, given in zip(self._batch, batch, strict=True):
            own.copy_(given)
        self._graph.replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._result
