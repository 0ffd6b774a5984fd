"""How many parameters a Conformer has, from its spec alone: arithmetic, no torch, held true by tests."""

from __future__ import annotations

from ablab.spec.experiment import Conformer, Improvements

_KERNELS = (7, 5, 3)
"""Of the three front-end convolutions."""
_RELATIVE_ROWS = 1999
_SE_REDUCTION = 16
_GATE_REDUCTION = 4


def parameter_count(model: Conformer, improvements: Improvements, n_chans: int, n_subjects: int) -> int:
    """Trainable parameters of the decoder.

    >>> parameter_count(Conformer(), Improvements(), 64, 71)
    15521793
    """
    d = model.d_model
    count = _front_end(model, n_chans)
    if model.squeeze_excitation:
        count += 2 * d * max(d // _SE_REDUCTION, 1)
    if model.subject_conditioning:
        count += n_subjects * d + d
    count += model.n_layers * _block(model)
    if improvements.residual == "gated" and model.n_layers:
        squeezed = max(d // _GATE_REDUCTION, 1)
        count += _linear(d, squeezed) + _linear(squeezed, d)
    if improvements.mlp_head:
        inner = max(d // 2, 1)
        return count + 2 * d + _linear(d, inner) + _linear(inner, 1)
    return count + _linear(d, 1)


def _front_end(model: Conformer, n_chans: int) -> int:
    d = model.d_model
    if model.front_end == "linear":
        return _linear(n_chans, d)
    widths = (n_chans, d, d)
    norms = 2 * d * len(_KERNELS)
    return sum(width * d * kernel + d for width, kernel in zip(widths, _KERNELS, strict=True)) + norms


def _block(model: Conformer) -> int:
    d, inner = model.d_model, model.d_inner
    feed_forward = 2 * d + _linear(d, inner) + _linear(inner, d)
    attention = 2 * d + 4 * _linear(d, d)
    if model.relative_positions:
        attention += _RELATIVE_ROWS * (d // model.n_heads)
    depthwise = 2 * d * model.conv_kernel_size + 2 * d
    convolution = 2 * d + _linear(d, 4 * d) + depthwise + 4 * d + _linear(2 * d, d)
    return (2 if model.macaron else 1) * feed_forward + attention + convolution + 2 * d


def _linear(n_in: int, n_out: int) -> int:
    return n_in * n_out + n_out
