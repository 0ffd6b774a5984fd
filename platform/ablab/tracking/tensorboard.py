"""Writes TensorBoard event files. Has the methods of `ablab.training.observer.Observer`.

Scalars are shown under a capitalised first word, so ``gradient/norm`` stands as ``Gradient/norm``;
histograms come with the tags that they are shown under.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from torch import Tensor
    from torch.utils.tensorboard import FileWriter, SummaryWriter

_FLUSH_SECONDS = 10
"""How far an open TensorBoard lags behind."""

_MOST_ELEMENTS = 2**14
"""Of a tensor in a histogram: of all 15 M weights and gradients of a full-size decoder one takes 2 s."""


LAYOUT = {
    "What the guide looks at": {
        "Gradient/norm: between 1 and 10": ["Multiline", [r"^Gradient/norm$"]],
        "Validation/pearson: should keep rising": ["Multiline", [r"^Validation/pearson$"]],
        "Gradient/layer_stack.0: RMS over the block": ["Multiline", [r"^Gradient/rms/layer_stack\.0$"]],
        "Weight/layer_stack.0: relative change": ["Multiline", [r"^Weights/drift/layer_stack\.0$"]],
    }
}
"""The page "Custom scalars": chart -> the scalars in it. It shows no histograms, so the first block is
there with its RMS gradient and its drift; the histograms are under Gradient/ and Weight/ on their page."""


def scalar_tag(name: str) -> str:
    """The tag under which a metric is shown.

    >>> scalar_tag("gradient/norm"), scalar_tag("update_ratio/layer_stack.0")
    ('Gradient/norm', 'Update_ratio/layer_stack.0')
    """
    return name[:1].upper() + name[1:]


def _shown(tensor: Tensor) -> Tensor:
    """The elements that a histogram is made of, flat, picked out where the tensor is."""
    flat = tensor.reshape(-1)
    if flat.numel() <= _MOST_ELEMENTS:
        return flat
    from torch import cat

    step = -(-flat.numel() // _MOST_ELEMENTS)
    return cat([flat[::step], *(end.reshape(1) for end in _ends(flat))])


def _ends(flat: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest finite element."""
    from torch import aminmax, inf

    if flat.device.type == "cpu":  # elsewhere, to look at them would be to wait for the device
        low, high = aminmax(flat)
        if (high - low).isfinite():
            return low, high
    finite = flat.isfinite()
    return flat.where(finite, inf).min(), flat.where(finite, -inf).max()


class TensorBoardObserver:
    """Writes into one folder; importing TensorBoard's writer costs 1.2 s and waits for the first value."""

    def __init__(self, folder: Path, *, resumed_at: int = 0) -> None:
        """``resumed_at``: the step that a trial goes on from; what was told of later ones is told again."""
        self._folder = folder
        self._purge_step = resumed_at + 1 if resumed_at else 0
        self._is_used = False

    def begin(self, facts: Mapping[str, str | int | float]) -> None:
        """Facts as a text panel."""
        rows = "".join(f"| {name} | {fact} |\n" for name, fact in facts.items())
        self._writer.add_text("facts", f"| | |\n|---|---|\n{rows}", 0)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Finite scalars at a step."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        finite = {scalar_tag(name): value for name, value in values.items() if math.isfinite(value)}
        shown = [Summary.Value(tag=tag, simple_value=value) for tag, value in finite.items()]
        self._write(Summary(value=shown), step)

    def histograms(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Distributions of each tensor's finite elements.

        Of a large tensor an even sample stands for the whole, with the smallest and the largest element.
        """
        if not values:
            return
        from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
        from torch import cat

        from ablab.tracking.histograms import histograms_of

        parts = [_shown(tensor.detach()).float() for tensor in values.values()]
        lengths = [part.numel() for part in parts]
        drawn = histograms_of(cat(parts).cpu().numpy(), lengths)  # one transfer for all
        shown = [
            Summary.Value(
                tag=tag,
                histo=HistogramProto(
                    min=one.low,
                    max=one.high,
                    num=one.n,
                    sum=one.total,
                    sum_squares=one.squares,
                    # Each count comes with its bin's upper end, so an empty bin shows where the first begins.
                    bucket_limit=one.edges,
                    bucket=[0, *one.counts],
                ),
            )
            for tag, one in zip(values, drawn, strict=True)
            if one is not None
        ]
        self._write(Summary(value=shown), step)

    def progress(self, epoch: int, epochs: int, step: int, values: Mapping[str, float]) -> None:
        """Not shown: it only repeats the latest metrics."""

    def warning(self, text: str) -> None:
        """A text panel."""
        self._writer.add_text("warnings", text)

    def flush(self) -> None:
        """Write out everything."""
        if self._is_used:
            self._writer.flush()

    def close(self) -> None:
        """Write out everything and close the files."""
        if self._is_used:
            self._writer.close()

    def _write(self, summary: Summary, step: int) -> None:
        """All values of a step as one event: an event each takes two to four times as long."""
        if summary.value:
            cast("FileWriter", self._writer.file_writer).add_summary(summary, step)

    @cached_property
    def _writer(self) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        self._is_used = True
        # What an interrupted attempt wrote from here on is hidden, not deleted.
        writer = SummaryWriter(str(self._folder), purge_step=self._purge_step, flush_secs=_FLUSH_SECONDS)
        writer.add_custom_scalars(LAYOUT)
        return writer
