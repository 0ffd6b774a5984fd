"""The fast decoder against its plain form in float64: outputs and every gradient, training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from plain import plain_decoder
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.torch_version import TorchVersion

from ablab.errors import InputError
from ablab.models.build import build_model
from ablab.models.compiled import compile_decoder, is_compiled, uncompiled
from ablab.models.decoder import Decoder
from ablab.spec.experiment import Conformer, Improvements
from ablab.training.batches import autocast
from ablab.training.seeds import reproducible

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
@pytest.mark.parametrize("n_layers", [0, 2])
def test_a_compiled_decoder_computes_the_same(n_layers: int) -> None:
    keys = {**ORIGINAL, **V2, "n_layers": n_layers, "drop_prob": 0.0}
    plain, compiled = decoder_of(keys).train(), decoder_of(keys).train()
    compile_decoder(compiled, backend="aot_eager")
    assert is_compiled(compiled) and not is_compiled(plain)
    eeg, subject = torch.randn(2, 9, N_CHANS, dtype=torch.float64), torch.tensor([1, 0])
    outputs = [decoder(eeg, subject) for decoder in (plain, compiled)]
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-9, atol=1e-12)
    for output in outputs:
        output.square().mean().backward()
    for (name, expected), found in zip(plain.named_parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(found.grad, expected.grad, rtol=1e-7, atol=1e-12, msg=name)
    assert list(compiled.state_dict()) == list(plain.state_dict())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_the_blocks_of_a_stack_are_compiled_once() -> None:
    graphs = []
    for n_layers in (1, 4):
        counters["stats"].clear()
        decoder = decoder_of({**ORIGINAL, **V2, "n_layers": n_layers, "drop_prob": 0.1}).train()
        compile_decoder(decoder, backend="eager")
        for n in (3, 3, 2, 3):
            decoder(torch.randn(n, 9, N_CHANS, dtype=torch.float64), torch.zeros(n, dtype=torch.int64))
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[0] == graphs[1] > 0


def test_what_is_compiled_can_be_called_as_it_is_written() -> None:
    decoder = decoder_of(ORIGINAL)
    compile_decoder(decoder, backend="eager")
    heard: list[nn.Module] = []
    for block in decoder.layer_stack:
        block.register_forward_hook(lambda module, *_: heard.append(module))
    with uncompiled(decoder):
        assert not is_compiled(decoder)
        decoder(torch.randn(2, 9, N_CHANS, dtype=torch.float64), torch.tensor([1, 0]))
    assert heard == list(decoder.layer_stack)
    assert is_compiled(decoder)


def _all_but_rounding(found: Decoder, expected: Decoder, outputs: list[Tensor], rtol: float) -> None:
    """Outputs and gradients alike, relative to the norm; but not where the true gradient is zero."""
    for output in outputs:
        output.square().mean().backward()
    zero = expected.zero_gradient_parameters()
    pairs = [("output", *outputs)] + [
        (name, parameter.grad, found.get_parameter(name).grad)
        for name, parameter in expected.named_parameters()
        if name not in zero
    ]
    for name, one, other in pairs:
        assert one is not None and other is not None
        one, other = one.detach().double().cpu(), other.detach().double().cpu()
        difference = float(torch.linalg.vector_norm(one - other) / torch.linalg.vector_norm(one))
        assert difference < rtol, f"{name} is {difference:.2g} away"


@pytest.mark.gpu
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_gpu_computes_what_a_cpu_does(cuda: str, variant: str) -> None:
    keys = {**ORIGINAL, **VARIANTS[variant], "drop_prob": 0.0}
    on_cpu = decoder_of(keys).train()
    on_gpu = decoder_of(keys).train().to(cuda)
    eeg, subject = torch.randn(3, 70, N_CHANS, dtype=torch.float64), torch.tensor([2, 0, 2])
    _all_but_rounding(
        on_gpu, on_cpu, [on_gpu(eeg.to(cuda), subject.to(cuda)), on_cpu(eeg, subject)], rtol=1e-9
    )
    on_cpu.eval(), on_gpu.eval()
    unseen = torch.tensor([-1, 0, -1])
    expected, found = on_cpu(eeg, unseen), on_gpu(eeg.to(cuda), unseen.to(cuda))
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize(("precision", "rtol"), [("float32", 1e-4), ("bfloat16", 0.1)])
def test_a_gpus_fast_forms_compute_what_a_cpu_does(cuda: str, precision: str, rtol: float) -> None:
    keys = {**ORIGINAL, **V2, "d_model": 64, "d_inner": 128, "drop_prob": 0.0}
    exact = decoder_of(keys).train()
    fast = decoder_of(keys).train().float().to(cuda)
    compile_decoder(fast)
    eeg, subject = torch.randn(4, 128, N_CHANS, dtype=torch.float64), torch.tensor([2, 0, 2, 1])
    device = torch.device(cuda)
    with reproducible(1, device):
        with autocast(precision, device):
            output = fast(eeg.float().to(cuda), subject.to(cuda))
        _all_but_rounding(fast, exact, [output.double(), exact(eeg, subject)], rtol)


def test_an_old_pytorch_compiles_nothing_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.5.1+cu124"))
    decoder = decoder_of(ORIGINAL)
    compile_decoder(decoder, backend="eager")
    with pytest.raises(InputError, match=r"needs PyTorch 2\.6 or newer, and this is 2\.5\.1\+cu124"):
        compile_decoder(decoder.to("meta"))
