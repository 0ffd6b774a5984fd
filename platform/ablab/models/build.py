"""The one door to the decoders: a spec in, an initialised decoder out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ablab.models.conformer import ConformerDecoder
from ablab.models.decoder import Decoder
from ablab.models.plugin import build_installed
from ablab.spec.experiment import Improvements
from ablab.spec.model import ModelParams

MODELS: dict[str, Callable[[Any, Improvements, int, int], Decoder]] = {
    "conformer": ConformerDecoder,
}
"""``model.kind`` -> its decoder, built from (model, improvements, n_chans, n_subjects). Any other kind is
that of an installed package (``plugin.py``)."""


def build_model(model: ModelParams, improvements: Improvements, n_chans: int, n_subjects: int) -> Decoder:
    """Build a decoder; its weights are drawn from PyTorch's global generator.

    >>> from ablab.spec.experiment import Conformer
    >>> small = Conformer(d_model=16, d_inner=32, n_heads=2, n_layers=1, conv_kernel_size=7)
    >>> decoder = build_model(small, Improvements(residual="gated"), n_chans=64, n_subjects=8)
    >>> list(decoder.layer_groups())
    ['front_end', 'se', 'subject', 'layer_stack.0', 'gate', 'head']
    """
    if n_chans < 1 or n_subjects < 1:
        raise ValueError(f"a decoder needs channels and subjects, not {n_chans} and {n_subjects}")
    return MODELS.get(model.kind, build_installed)(model, improvements, n_chans, n_subjects)
