"""The fast decoder against its plain form in float64: outputs and every gradient, training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from plain import plain_decoder
from torch import Tensor

from ablab.models.build import build_model
from ablab.models.decoder import Decoder
from ablab.spec.experiment import Conformer, Improvements

N_CHANS, N_SUBJECTS = 5, 3

ORIGINAL: dict[str, Any] = {
    **Conformer(d_model=16, d_inner=24, n_heads=2, n_layers=2, conv_kernel_size=5).model_dump(),
    **Improvements().model_dump(),
}
V2 = {"residual": "gated", "mlp_head": True, "gradient_scale": 2.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "original": {},
    "v2": V2,
    "v2, scale before the head": {**V2, "gradient_scale_position": "head"},
    "global residual": {"residual": "global", "gradient_scale": 3.0},
    "bare": {
        "front_end": "linear",
        "squeeze_excitation": False,
        "subject_conditioning": False,
        "relative_positions": False,
        "sinusoidal_positions": False,
        "macaron": False,
    },
    "no blocks": {"n_layers": 0, "mlp_head": True},
}


def decoder_of(keys: Mapping[str, Any]) -> Decoder:
    model = Conformer(**{key: keys[key] for key in Conformer.model_fields})
    improvements = Improvements(**{key: keys[key] for key in Improvements.model_fields})
    torch.manual_seed(0)
    decoder = build_model(model, improvements, N_CHANS, N_SUBJECTS).double()
    for name, buffer in decoder.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
    return decoder


def both(keys: Mapping[str, Any], *, training: bool, n_times: int) -> None:
    """Assert that outputs and all gradients agree to 1e-9, dropout masks being drawn from the same seed."""
    decoder = decoder_of(keys).train(training)
    eeg = torch.randn(3, n_times, N_CHANS, dtype=torch.float64, requires_grad=True)
    target = torch.randn(3, n_times, 1, dtype=torch.float64)
    subject = torch.tensor([2, 0, 2])
    weights: dict[str, Tensor] = {
        **{name: buffer.clone() for name, buffer in decoder.named_buffers()},
        **{name: weight.detach().clone().requires_grad_() for name, weight in decoder.named_parameters()},
    }
    names = [name for name, _ in decoder.named_parameters()]

    torch.manual_seed(1)
    expected = plain_decoder(weights, keys, eeg, subject, training=training)
    wanted = torch.autograd.grad(
        (expected - target).square().mean(), [eeg, *(weights[name] for name in names)]
    )
    torch.manual_seed(1)
    found = decoder(eeg, subject)
    gradients = torch.autograd.grad((found - target).square().mean(), [eeg, *decoder.parameters()])

    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)
    for name, gradient, right in zip(["eeg", *names], gradients, wanted, strict=True):
        torch.testing.assert_close(
            gradient, right, rtol=1e-7, atol=1e-11, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("drop_prob", [0.0, 0.3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_outputs_and_all_gradients(variant: str, drop_prob: float, training: bool) -> None:
    both({**ORIGINAL, **VARIANTS[variant], "drop_prob": drop_prob}, training=training, n_times=23)


def test_windows_longer_than_the_relative_table() -> None:
    keys = {**ORIGINAL, "n_layers": 1, "d_model": 4, "d_inner": 4, "n_heads": 1, "drop_prob": 0.1}
    both(keys, training=True, n_times=1010)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_a_compiled_decoder_computes_the_same() -> None:
    keys = {**ORIGINAL, **V2, "n_layers": 1, "drop_prob": 0.0}
    plain, compiled = decoder_of(keys).train(), decoder_of(keys).train()
    compiled.compile(backend="aot_eager")
    eeg, subject = torch.randn(2, 9, N_CHANS, dtype=torch.float64), torch.tensor([1, 0])
    outputs = [decoder(eeg, subject) for decoder in (plain, compiled)]
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-9, atol=1e-12)
    for output in outputs:
        output.square().mean().backward()
    for (name, expected), found in zip(plain.named_parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(found.grad, expected.grad, rtol=1e-7, atol=1e-12, msg=name)
    assert list(compiled.state_dict()) == list(plain.state_dict())
