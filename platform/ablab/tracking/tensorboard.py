"""Writes TensorBoard event files. Has the methods of `ablab.training.observer.Observer`.

Scalars are shown under a capitalised first word, so ``gradient/norm`` stands as ``Gradient/norm``;
histograms come with the tags that they are shown under.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.tensorboard import SummaryWriter

_FLUSH_SECONDS = 10
"""How far an open TensorBoard lags behind."""


def scalar_tag(name: str) -> str:
    """The tag under which a metric is shown.

    >>> scalar_tag("gradient/norm"), scalar_tag("update_ratio/layer_stack.0")
    ('Gradient/norm', 'Update_ratio/layer_stack.0')
    """
    return name[:1].upper() + name[1:]


_LARGEST_BIN = 1e19
"""The writer's bins end at 1e20; it raises on a histogram that falls outside, as of a diverging run."""


class TensorBoardObserver:
    """Writes into one folder; importing TensorBoard's writer costs 1.2 s and waits for the first value."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_used = False

    def begin(self, facts: Mapping[str, str | int | float]) -> None:
        """Facts as a text panel."""
        rows = "".join(f"| {name} | {fact} |\n" for name, fact in facts.items())
        self._writer.add_text("facts", f"| | |\n|---|---|\n{rows}", 0)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Finite scalars at a step."""
        for name, value in values.items():
            if math.isfinite(value):
                self._writer.add_scalar(scalar_tag(name), value, step)

    def histograms(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Distributions of the elements of each tensor that TensorBoard's bins can hold."""
        for tag, tensor in values.items():
            elements = tensor.detach().float().cpu().numpy().ravel()
            held = elements[abs(elements) < _LARGEST_BIN]
            if held.size:
                self._writer.add_histogram(tag, held, step)

    def progress(self, epoch: int, epochs: int, step: int, values: Mapping[str, float]) -> None:
        """Not shown: it only repeats the latest metrics."""

    def warning(self, text: str) -> None:
        """A text panel."""
        self._writer.add_text("warnings", text)

    def close(self) -> None:
        """Write out everything and close the files."""
        if self._is_used:
            self._writer.close()

    @cached_property
    def _writer(self) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        self._is_used = True
        # A trial that was interrupted begins again at step 0: what it wrote before is hidden, not deleted.
        return SummaryWriter(str(self._folder), purge_step=0, flush_secs=_FLUSH_SECONDS)
