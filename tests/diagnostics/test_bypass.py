"""Bypass drops against decoders whose branches are replaced by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ablab.diagnostics.bypass import bypass_drops
from ablab.models.build import build_model
from ablab.models.compiled import is_compiled
from ablab.models.decoder import Decoder
from ablab.spec.experiment import Conformer, Improvements

EEG, SUBJECT = torch.randn(6, 20, 5, generator=torch.Generator().manual_seed(1)), torch.zeros(6).long()


def small(n_layers: int = 2, **improvements: Any) -> Decoder:
    torch.manual_seed(0)
    model = Conformer(d_model=8, d_inner=8, n_heads=2, n_layers=n_layers, conv_kernel_size=3)
    return build_model(model, Improvements(**improvements), 5, 1).eval()


def drops(decoder: Decoder, seen: list[Tensor] | None = None, *, each_block: bool = True) -> dict[str, float]:
    """The score is the mean square prediction, which any change moves."""

    def see() -> None:
        decoder(EEG, SUBJECT)

    def evaluate() -> float:
        with torch.inference_mode():
            prediction = decoder(EEG, SUBJECT)
        if seen is not None:
            seen.append(prediction)
        return float(prediction.square().mean())

    return bypass_drops(
        decoder,
        evaluate(),
        see_training=see,
        evaluate=evaluate,
        each_block=each_block,
    )


@torch.inference_mode()
@pytest.mark.parametrize("residual", ["none", "global", "gated"])
def test_the_stack_gives_its_mean_and_nothing_else_changes(residual: str) -> None:
    decoder = small(residual=residual)
    x = decoder.stack_input(EEG, SUBJECT)
    first = decoder.layer_stack[0](x)
    second = decoder.layer_stack[1](first)
    whole = decoder.decode(second, x)
    constant = second.double().mean(dim=(0, 1)).float().expand_as(second)
    without_first = decoder.layer_stack[1](x + (first - x).double().mean(dim=(0, 1)).float())
    without_second = first + (second - first).double().mean(dim=(0, 1)).float()
    expected = [constant, without_first, without_second]
    seen: list[Tensor] = []
    found = drops(decoder, seen)
    assert list(found) == ["bypass/layer_stack", "bypass/layer_stack.0", "bypass/layer_stack.1"]
    for stack, prediction, drop in zip(expected, seen[1:], found.values(), strict=True):
        torch.testing.assert_close(prediction, decoder.decode(stack, x))
        assert drop == pytest.approx(float(whole.square().mean() - prediction.square().mean()), abs=1e-6)
    assert all(abs(drop) > 1e-5 for drop in found.values())


def test_everything_is_as_before_afterwards() -> None:
    decoder = small(residual="gated")
    before = {name: value.clone() for name, value in decoder.state_dict().items()}
    random = torch.get_rng_state()
    with torch.inference_mode():
        whole = decoder(EEG, SUBJECT)
        drops(decoder)
        assert torch.equal(decoder(EEG, SUBJECT), whole)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in decoder.state_dict().items())


def test_a_compiled_decoder_is_bypassed_uncompiled() -> None:
    decoder = small(residual="global")
    plain = drops(decoder)

    def compiled(*arguments: object) -> Tensor:
        raise AssertionError("the compiled call knows no hooks")

    def see() -> None:
        decoder(EEG, SUBJECT)

    def evaluate() -> float:
        with torch.inference_mode():
            return float(decoder(EEG, SUBJECT).square().mean())

    assert not is_compiled(decoder)
    score = evaluate()
    decoder._compiled_call_impl = compiled
    assert is_compiled(decoder)
    found = bypass_drops(decoder, score, see_training=see, evaluate=evaluate, each_block=True)
    assert found == plain
    assert decoder._compiled_call_impl is compiled


def test_the_stack_alone_where_blocks_are_not_asked_for() -> None:
    assert list(drops(small(), each_block=False)) == ["bypass/layer_stack"]


def test_nothing_without_blocks() -> None:
    assert drops(small(0)) == {}


def test_nothing_where_the_blocks_were_not_passed_through() -> None:
    found = bypass_drops(small(), 0.25, see_training=lambda: None, evaluate=lambda: 0.0, each_block=False)
    assert found == {}


def test_a_score_that_is_not_defined_counts_as_nothing() -> None:
    decoder = small()

    def see() -> None:
        decoder(EEG, SUBJECT)

    found = bypass_drops(decoder, 0.25, see_training=see, evaluate=lambda: math.nan, each_block=False)
    assert found == {"bypass/layer_stack": 0.25}
