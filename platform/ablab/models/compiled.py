"""A decoder made faster by PyTorch's compiler, and the same decoder without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ablab.errors import InputError
from ablab.models.decoder import Decoder


def compile_decoder(decoder: Decoder, backend: str = "inductor") -> None:
    """Compile `Decoder.compiled_parts`; takes effect at the next forward passes.

    The first of each batch size takes long: code is made for it. What this process has compiled before is
    forgotten, as it would count against the compiler's limit and so decide what is compiled here.

    backend: one of ``torch.compiler.list_backends()``. Raises InputError on a GPU before PyTorch 2.6, whose
    compiled attention may read memory that is not its own (pytorch/pytorch#138772).
    """
    on_gpu = next(decoder.parameters()).device.type != "cpu"
    if on_gpu and torch.__version__ < "2.6":
        raise InputError(
            f"training.compile on a GPU needs PyTorch 2.6 or newer, and this is {torch.__version__}"
        )
    torch.compiler.reset()
    for module in decoder.compiled_parts():
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
