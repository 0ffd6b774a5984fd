"""Writes TensorBoard event files. Has the methods of `ablab.training.observer.Observer`.

Scalars are shown under a capitalised first word, so ``gradient/norm`` stands as ``Gradient/norm``;
histograms come with the tags that they are shown under.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.utils.tensorboard import SummaryWriter

_FLUSH_SECONDS = 10
"""How far an open TensorBoard lags behind."""

_MOST_ELEMENTS = 2**14
"""Of a tensor in a histogram: of all 15 M weights and gradients of a full-size decoder one takes 6 s."""

_BINS = 64
"""Of equal width, as the 30 are that TensorBoard shows whatever it is given. The 1549 of its writer, by
powers of 1.1, take three times as long."""


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
    from torch import cat, inf

    step = -(-flat.numel() // _MOST_ELEMENTS)
    finite = flat.isfinite()
    ends = flat.where(finite, inf).min().reshape(1), flat.where(finite, -inf).max().reshape(1)
    return cat([flat[::step], *ends])


def _range_of(values: NDArray[np.float64]) -> tuple[float, float]:
    """Smallest and largest value, apart by what it takes to tell the edges of the bins from one another.

    Where all values are the same, as those of a bias before the first step, apart by 1 at least: an axis
    around one number has labels that nobody can read.
    """
    low, high = float(values.min()), float(values.max())
    least = max(4 * _BINS * math.ulp(max(-low, high, 1e-20)), 1.0 if low == high else 0.0)
    missing = max(least - (high - low), 0.0) / 2
    return low - missing, high + missing


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
        for name, value in values.items():
            if math.isfinite(value):
                self._writer.add_scalar(scalar_tag(name), value, step)

    def histograms(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Distributions of each tensor's finite elements.

        Of a large tensor an even sample stands for the whole, with the smallest and the largest element.
        """
        if not values:
            return
        import numpy as np
        from torch import cat

        parts = [_shown(tensor.detach()).float() for tensor in values.values()]
        ends = list(accumulate(part.numel() for part in parts))
        elements = np.split(cat(parts).cpu().numpy(), ends[:-1])  # one transfer for all
        for tag, of_one in zip(values, elements, strict=True):
            shown = of_one[np.isfinite(of_one)].astype(np.float64)
            if not shown.size:
                continue
            counts, edges = np.histogram(shown, _BINS, _range_of(shown))
            self._writer.add_histogram_raw(
                tag,
                min=shown.min(),
                max=shown.max(),
                num=shown.size,
                sum=shown.sum(),
                sum_squares=shown.dot(shown),
                # Each count comes with its bin's upper end, so an empty bin shows where the first begins.
                bucket_limits=edges.tolist(),
                bucket_counts=[0, *counts.tolist()],
                global_step=step,
            )

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

    @cached_property
    def _writer(self) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        self._is_used = True
        # What an interrupted attempt wrote from here on is hidden, not deleted.
        writer = SummaryWriter(str(self._folder), purge_step=self._purge_step, flush_secs=_FLUSH_SECONDS)
        writer.add_custom_scalars(LAYOUT)
        return writer
