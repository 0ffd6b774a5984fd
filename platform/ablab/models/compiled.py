"""A decoder made faster by PyTorch's compiler, and the same decoder without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ablab.models.decoder import STACK


def compile_decoder(decoder: nn.Module, backend: str = "inductor") -> None:
    """Compile the blocks of the stack, which have one code and are compiled once; without a stack, the whole.

    Takes effect at the next forward passes. The first of each batch size takes long: code is made for it.

    backend: one of ``torch.compiler.list_backends()``.
    """
    blocks = tuple(getattr(decoder, STACK, ()))
    for module in blocks or (decoder,):
        module.compile(backend=backend, dynamic=False)


def is_compiled(decoder: nn.Module) -> bool:
    """Whether a forward pass runs compiled code, past the hooks of the modules in it."""
    return any(module._compiled_call_impl is not None for module in decoder.modules())


@contextmanager
def uncompiled(decoder: nn.Module) -> Iterator[None]:
    """Within the context its modules are called as they are written, and with them their hooks."""
    compiled = {module: module._compiled_call_impl for module in decoder.modules()}
    for module in compiled:
        module._compiled_call_impl = None
    try:
        yield
    finally:
        for module, call in compiled.items():
            module._compiled_call_impl = call
