from __future__ import annotations

import pytest
from torch import nn

from ablab.models.build import build_model
from ablab.models.decoder import Decoder
from ablab.spec.experiment import Conformer, Improvements, LayerRates
from ablab.training.parameter_groups import parameter_groups, parts, undecayed

SMALL = {"d_model": 8, "d_inner": 8, "n_heads": 2, "conv_kernel_size": 3}


def decoder(n_layers: int = 3, **model: object) -> Decoder:
    v2 = Improvements(residual="gated", mlp_head=True)
    return build_model(Conformer.model_validate({**SMALL, "n_layers": n_layers, **model}), v2, 4, 2)


@pytest.mark.parametrize(("n_layers", "n_front"), [(0, 0), (1, 1), (2, 1), (3, 2), (8, 4)])
def test_parts_are_front_half_of_the_blocks_rear_and_head(n_layers: int, n_front: int) -> None:
    found = parts(decoder(n_layers).layer_groups())
    before = {"front_end": "front", "se": "front", "subject": "front"}
    blocks = {f"layer_stack.{i}": "front" if i < n_front else "rear" for i in range(n_layers)}
    gate = {"gate": "rear"} if n_layers else {}
    assert found == before | blocks | gate | {"head": "head"}


@pytest.mark.parametrize("n_layers", [0, 1, 4])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_groups_are_complete_and_disjoint(n_layers: int, weight_decay: float) -> None:
    model = decoder(n_layers)
    groups = parameter_groups(model, LayerRates(front=3.0, rear=2.0, head=0.5), weight_decay)
    members = [id(parameter) for group in groups for parameter in group.parameters]
    assert len(members) == len(set(members))
    assert set(members) == {id(parameter) for parameter in model.parameters()}


def test_each_part_has_its_factor() -> None:
    model = decoder(3)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    factor = {
        names[id(parameter)]: group.rate_factor
        for group in parameter_groups(model, LayerRates(front=3.0, rear=2.0, head=0.5, stack=4.0), 0.0)
        for parameter in group.parameters
    }
    expected = {"front_end": 3.0, "se": 3.0, "subject": 3.0, "gate": 2.0, "head": 0.5}
    expected |= {"layer_stack.0": 12.0, "layer_stack.1": 12.0, "layer_stack.2": 8.0}
    for name, value in factor.items():
        (group,) = [group for group in expected if name.startswith(f"{group}.")]
        assert value == expected[group], name


def test_nothing_is_split_without_need() -> None:
    model = decoder(3)
    (group,) = parameter_groups(model, LayerRates(), 0.0)
    assert group.parameters == tuple(model.parameters())
    assert [group.is_decayed for group in parameter_groups(model, LayerRates(), 0.1)] == [True, False]


def test_decay_skips_norms_biases_and_the_relative_table() -> None:
    model = decoder(1)
    spared = undecayed(model)
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1 or name.endswith("attention.relative"):
            assert name in spared
        else:
            assert name not in spared, name
    assert undecayed(nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3))) == {"0.weight", "0.bias", "1.bias"}
    decayed = {
        id(p) for g in parameter_groups(model, LayerRates(), 0.1) if g.is_decayed for p in g.parameters
    }
    assert decayed == {id(p) for name, p in model.named_parameters() if name not in spared}
