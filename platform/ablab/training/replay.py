"""A training step's forward and backward pass, recorded once and replayed by the GPU without the host.

A step is hundreds of kernels, most of which a GPU is done with before the host has asked for the next one.
A CUDA graph asks for all of them at once (https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from ablab.models.decoder import Decoder
from ablab.training.batches import Batch

Compute = Callable[[Batch], Tensor]

_BEFORE = 2
"""Steps of a batch size that are done as written before one is recorded: in them libraries allocate what they
need, and the compiler makes its code."""


class Replay:
    """Computes what ``compute`` does, the gradients included, from a recording wherever it has one.

    compute: puts fresh gradients of the decoder into ``parameter.grad`` in every call, and gives a tensor. It
    does the same for every batch of a size, does not make the host wait for the device, and uses no tensor
    that may be elsewhere later but its batch. Random numbers come from torch's generator on the device, which
    gives a replay those that a call as written would have had. What is given back, the gradients and the
    gate's last values are good until the next call.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._seen: Counter[torch.Size] = Counter()
        self._recorded: dict[torch.Size, _Recording] = {}
        self._stream: torch.cuda.Stream | None = None
        """What is recorded, and done before that, is asked for on a stream of its own, the same for all that
        share memory."""

    def __call__(self, compute: Compute, batch: Batch) -> Tensor:
        """Of one batch; recordings are by its size, and ``compute`` is the same in every call."""
        size, stream = batch.eeg.shape, self._own_stream(batch)
        self._seen[size] += 1
        if self._seen[size] <= _BEFORE:
            return _on(stream, compute, batch)
        if size not in self._recorded:
            first = next(iter(self._recorded.values()), None)
            self._recorded[size] = _Recording(self._decoder, compute, batch, stream, beside=first)
        return self._recorded[size].replay(batch)

    def _own_stream(self, batch: Batch) -> torch.cuda.Stream:
        if self._stream is None:
            self._stream = torch.cuda.Stream(batch.eeg.device)  # type: ignore[no-untyped-call]
        return self._stream


def _on(stream: torch.cuda.Stream, compute: Compute, batch: Batch) -> Tensor:
    """As written, where a recording will be made: autograd keeps the stream that a node was made on, and a
    recording must not wait for another."""
    current = torch.cuda.current_stream(batch.eeg.device)
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        result = compute(batch)
    current.wait_stream(stream)
    return result


class _Recording:
    def __init__(
        self,
        decoder: Decoder,
        compute: Compute,
        batch: Batch,
        stream: torch.cuda.Stream,
        beside: _Recording | None,
    ) -> None:
        """beside: another one, whose memory for what lies between input and gradients serves this one too."""
        self._gate = decoder.gate
        self._parameters = list(decoder.parameters())
        self._batch = Batch(*(part.clone() for part in batch))
        self._graph = torch.cuda.CUDAGraph()
        for parameter in self._parameters:
            parameter.grad = None
        pool = None if beside is None else beside._graph.pool()
        # Another thread may be copying a batch to the device meanwhile, on the default stream, and may go on.
        with torch.cuda.graph(self._graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            self._result = compute(self._batch)
        self._gradients = [parameter.grad for parameter in self._parameters]
        self._last_gate = None if self._gate is None else self._gate.last

    def replay(self, batch: Batch) -> Tensor:
        for own, given in zip(self._batch, batch, strict=True):
            own.copy_(given)
        self._graph.replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        if self._gate is not None:
            self._gate.last = self._last_gate
        return self._result
