"""The one door to the decoders: a spec in, an initialised decoder out."""

from __future__ import annotations

from ablab.models.decoder import Decoder
from ablab.spec.experiment import Conformer, Improvements

MODELS: dict[str, type[Decoder]] = {
    "conformer": Decoder,
}
"""``model.kind`` -> its decoder, built from (model, improvements, n_chans, n_subjects)."""


def build_model(model: Conformer, improvements: Improvements, n_chans: int, n_subjects: int) -> Decoder:
    """Build a decoder; its weights are drawn from PyTorch's global generator.

    >>> small = Conformer(d_model=16, d_inner=32, n_heads=2, n_layers=1, conv_kernel_size=7)
    >>> decoder = build_model(small, Improvements(residual="gated"), n_chans=64, n_subjects=8)
    >>> list(decoder.layer_groups())
    ['front_end', 'se', 'subject', 'layer_stack.0', 'gate', 'head']
    """
    if n_chans < 1 or n_subjects < 1:
        raise ValueError(f"a decoder needs channels and subjects, not {n_chans} and {n_subjects}")
    return MODELS[model.kind](model, improvements, n_chans, n_subjects)
