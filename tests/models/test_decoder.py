"""The decoder against a readable functional copy, toggle by toggle."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from plain import plain_decoder
from torch import Tensor

from ablab.models.build import MODELS, build_model
from ablab.models.decoder import UNSEEN, Decoder
from ablab.models.front_end import SubjectEmbedding, sinusoids
from ablab.spec.experiment import Conformer, Improvements

SMALL = {"d_model": 16, "d_inner": 24, "n_heads": 2, "n_layers": 2, "conv_kernel_size": 5, "drop_prob": 0.0}
N_CHANS, N_SUBJECTS = 6, 4

MODEL_TOGGLES: dict[str, tuple[Any, Any]] = {
    "front_end": ("cnn", "linear"),
    "squeeze_excitation": (True, False),
    "subject_conditioning": (True, False),
    "relative_positions": (True, False),
    "sinusoidal_positions": (True, False),
    "macaron": (True, False),
}


def small(seed: int = 0, **keys: Any) -> Decoder:
    """A small float64 decoder; keys of both blocks."""
    model = Conformer(**{**SMALL, **{k: v for k, v in keys.items() if k in Conformer.model_fields}})
    improvements = Improvements(**{k: v for k, v in keys.items() if k in Improvements.model_fields})
    torch.manual_seed(seed)
    return build_model(model, improvements, N_CHANS, N_SUBJECTS).double()


def batch(n_times: int = 20, n_windows: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    eeg = torch.randn(n_windows, n_times, N_CHANS, dtype=torch.float64, generator=generator)
    envelope = torch.randn(n_windows, n_times, 1, dtype=torch.float64, generator=generator)
    return eeg, torch.arange(n_windows) % N_SUBJECTS, envelope


def gradients(decoder: Decoder) -> dict[str, Tensor]:
    eeg, subject, envelope = batch()
    decoder.zero_grad()
    ((decoder(eeg, subject) - envelope) ** 2).mean().backward()
    return {
        name: parameter.grad.clone() if parameter.grad is not None else torch.zeros_like(parameter)
        for name, parameter in decoder.named_parameters()
    }


def combinations() -> Iterator[dict[str, Any]]:
    """Every combination of toggles: 2^6 * 3 * 2 * 2 * 2 (n_layers 0 or 2)."""
    for levels in itertools.product(*MODEL_TOGGLES.values()):
        for residual, mlp_head, position, n_layers in itertools.product(
            ("none", "global", "gated"), (False, True), ("stack", "head"), (0, 2)
        ):
            yield dict(zip(MODEL_TOGGLES, levels, strict=True)) | {
                "residual": residual,
                "mlp_head": mlp_head,
                "gradient_scale_position": position,
                "n_layers": n_layers,
            }


@pytest.mark.slow
def test_every_combination_equals_the_plain_formulas_and_groups_its_parameters() -> None:
    eeg, subject, _ = batch(n_times=6, n_windows=2)
    for keys in combinations():
        decoder = small(**keys).eval()
        for module in decoder.modules():
            if isinstance(module, torch.nn.BatchNorm1d) and module.running_mean is not None:
                module.running_mean.normal_(generator=torch.Generator().manual_seed(1))
        if keys["gradient_scale_position"] == "stack":  # without influence on the forward pass
            with torch.no_grad():
                found, expected = (
                    decoder(eeg, subject),
                    plain_decoder(
                        decoder.state_dict(), {**SMALL, "gradient_scale": 1.0, **keys}, eeg, subject
                    ),
                )
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11, msg=f"{keys}")

        groups = decoder.layer_groups()
        grouped = list(itertools.chain(*groups.values()))
        assert len(grouped) == len(set(grouped)), keys
        assert set(grouped) == {name for name, _ in decoder.named_parameters()}, keys
        assert list(groups) == expected_groups(keys), keys
        assert decoder.scaled_groups() <= groups.keys() - {"head"}, keys
        assert decoder.front_group() in groups, keys


def expected_groups(keys: dict[str, Any]) -> list[str]:
    groups = ["front_end"]
    groups += ["se"] if keys["squeeze_excitation"] else []
    groups += ["subject"] if keys["subject_conditioning"] else []
    groups += [f"layer_stack.{index}" for index in range(keys["n_layers"])]
    groups += ["gate"] if keys["residual"] == "gated" and keys["n_layers"] else []
    return [*groups, "head"]


def test_more_than_ten_blocks_stay_apart() -> None:
    groups = small(n_layers=12, d_inner=2).layer_groups()
    assert len(groups["layer_stack.1"]) == len(groups["layer_stack.11"])
    assert all(name.startswith("layer_stack.1.") for name in groups["layer_stack.1"])


@pytest.mark.parametrize(
    ("improvements", "expected"),
    [
        (Improvements(), 15_521_793),
        (Improvements(residual="global"), 15_521_793),
        (Improvements(residual="gated"), 15_521_793 + 33_088),
        (Improvements(mlp_head=True), 15_521_793 + 33_280),
        (Improvements(residual="gated", mlp_head=True, gradient_scale=2.0), 15_588_161),
    ],
)
def test_parameter_counts(improvements: Improvements, expected: int) -> None:
    with torch.device("meta"):
        decoder = build_model(Conformer(), improvements, 64, 71)
    assert sum(parameter.numel() for parameter in decoder.parameters()) == expected
    for block in decoder.layer_stack:
        assert sum(parameter.numel() for parameter in block.parameters()) == 1_856_704


def test_every_toggle_changes_something() -> None:
    """Output, gradient or parameters; a toggle that changes none is dead."""
    levels: dict[str, Any] = {key: pair[1] for key, pair in MODEL_TOGGLES.items()} | {
        "d_model": 32,
        "d_inner": 12,
        "n_heads": 4,
        "n_layers": 1,
        "conv_kernel_size": 7,
        "drop_prob": 0.5,
        "residual": "gated",
        "mlp_head": True,
        "gradient_scale": 2.0,
        "gradient_scale_position": "head",
    }
    assert levels.keys() == (Conformer.model_fields.keys() | Improvements.model_fields.keys()) - {"kind"}
    for key, level in levels.items():
        # The position matters where there is a scale to place and a second branch around the stack.
        base = {"residual": "global", "gradient_scale": 3.0} if key == "gradient_scale_position" else {}
        plain, changed = small(**base).train(), small(**{**base, key: level}).train()
        eeg, subject, _ = batch()
        torch.manual_seed(0)
        output = plain(eeg, subject)
        torch.manual_seed(0)
        same_output = torch.equal(output, changed(eeg, subject))
        before, after = gradients(plain), gradients(changed)
        same_parameters = {k: v.shape for k, v in before.items()} == {k: v.shape for k, v in after.items()}
        same = same_output and same_parameters and all(torch.equal(before[k], after[k]) for k in before)
        assert not same, f"{key} = {level} changes nothing"


@pytest.mark.parametrize("residual", ["none", "global", "gated"])
@pytest.mark.parametrize("position", ["stack", "head"])
@pytest.mark.parametrize("mlp_head", [False, True])
def test_gradient_scale_multiplies_what_lies_before_it(residual: str, position: str, mlp_head: bool) -> None:
    keys = {"residual": residual, "gradient_scale_position": position, "mlp_head": mlp_head}
    found = {
        factor: gradients(small(**keys, gradient_scale=factor).train()) for factor in (1.0, 1.5, 2.0, 3.0)
    }
    plain, decoder = found[1.0], small(**keys)
    scaled = decoder.scaled_groups()
    for factor in (1.5, 2.0, 3.0):
        for group, names in decoder.layer_groups().items():
            for name in names:
                change = found[factor][name] - plain[name]
                if name in decoder.zero_gradient_parameters():
                    continue
                if group in scaled:
                    torch.testing.assert_close(found[factor][name], plain[name] * factor, rtol=1e-5, atol=0)
                elif group == "head" or (group == "gate" and position == "stack"):
                    assert torch.equal(found[factor][name], plain[name]), name
                else:
                    # Mixed: the stack's share is scaled, the other branch's is not.
                    per_unit = found[2.0][name] - plain[name]
                    torch.testing.assert_close(change, per_unit * (factor - 1), rtol=1e-5, atol=1e-14)
                    assert not torch.allclose(found[factor][name], plain[name] * factor)


@pytest.mark.parametrize("residual", ["global", "gated"])
def test_the_other_branch_is_not_scaled(residual: str) -> None:
    """With the stack cut off from autograd, a scale behind the stack changes no gradient of what is left."""
    found = []
    for factor in (1.0, 3.0):
        decoder = small(residual=residual, gradient_scale=factor).train()
        eeg, subject, envelope = batch()
        x = decoder.stack_input(eeg, subject)
        stack = x
        for block in decoder.layer_stack:
            stack = block(stack)
        ((decoder.decode(stack.detach(), x) - envelope) ** 2).mean().backward()
        assert decoder.layer_stack[0].norm.weight.grad is None
        found.append([p.grad for p in decoder.front_end.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_gradients_equal_finite_differences_and_evaluation_is_unscaled() -> None:
    keys = {"residual": "gated", "mlp_head": True, "gradient_scale": 2.0}
    eeg, subject, envelope = batch()
    decoder = small(**keys).eval()

    def loss() -> Tensor:
        return ((decoder(eeg, subject) - envelope) ** 2).mean()

    loss().backward()
    for parameter in decoder.parameters():
        flat, index = parameter.data.view(-1), parameter.numel() // 2
        assert parameter.grad is not None
        value, step = float(flat[index]), 1e-6
        with torch.no_grad():
            flat[index] = value + step
            above = loss()
            flat[index] = value - step
            below = loss()
            flat[index] = value
        numeric = float(above - below) / (2 * step)
        assert numeric == pytest.approx(float(parameter.grad.view(-1)[index]), rel=1e-4, abs=1e-8)


def test_scale_at_either_position_is_the_same_without_fusion() -> None:
    """Also with no blocks, where nothing is fused."""
    for keys in ({"residual": "none"}, {"n_layers": 0, "residual": "gated"}):
        before, after = (
            gradients(small(**keys, gradient_scale=2.0, gradient_scale_position=position).train())
            for position in ("stack", "head")
        )
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_without_blocks_the_residual_is_without_effect() -> None:
    eeg, subject, _ = batch()
    none, *others = (small(n_layers=0, residual=residual) for residual in ("none", "global", "gated"))
    for other in others:
        assert other.gate is None
        assert torch.equal(none(eeg, subject), other(eeg, subject))


@pytest.mark.parametrize("relative", [True, False])
def test_zero_gradient_biases(relative: bool) -> None:
    decoder = small(relative_positions=relative, drop_prob=0.3).train()
    found = {name: float(gradient.abs().max()) for name, gradient in gradients(decoder).items()}
    zero = decoder.zero_gradient_parameters()
    assert zero == {
        f"layer_stack.{index}.{name}"
        for index in range(2)
        for name in ("attention.key.bias", "convolution.depthwise.bias")
    }
    largest = max(found.values())
    for name, value in found.items():
        assert (value < 1e-14 * largest) == (name in zero), (name, value)


@pytest.mark.parametrize("n_times", [1, 2, 17, 640, 1100])
def test_any_window_length(n_times: int) -> None:
    decoder = small().float().train()
    y = decoder(torch.randn(2, n_times, N_CHANS), torch.tensor([0, 3]))
    assert y.shape == (2, n_times, 1)
    assert y.isfinite().all()


def test_positions_do_not_depend_on_the_window_seen_before() -> None:
    decoder = small().eval()
    eeg, subject, _ = batch(n_times=30)
    short = decoder(eeg[:, :12], subject)
    decoder(eeg, subject)
    assert torch.equal(short, decoder(eeg[:, :12], subject))
    table = sinusoids(5, 7)
    assert table.shape == (5, 7)
    assert float(table[3, 6]) == pytest.approx(math.sin(3 / 10000 ** (6 / 7)))


def test_the_subject_is_one_column_plus_the_bias() -> None:
    decoder = small()
    assert decoder.subject is not None
    assert decoder.subject.weight.shape == (16, N_SUBJECTS)
    decoder(*batch()[:2]).sum().backward()
    assert decoder.subject.weight.grad is not None
    used = decoder.subject.weight.grad.abs().sum(0) > 0
    assert used.tolist() == [True, True, True, False]


@pytest.mark.parametrize("index", [-1, 4, 71])
def test_a_subject_outside_the_table_is_refused(index: int) -> None:
    eeg, _, _ = batch()
    with pytest.raises(ValueError, match=rf"subject index {index} is outside 0 \.\.\. 3.* 4 subjects"):
        small()(eeg, torch.tensor([0, index, 1]))


def test_an_unseen_subject_has_the_mean_of_the_columns() -> None:
    eeg, subject, _ = batch()
    decoder = small().eval()
    assert decoder.subject is not None
    some, nobody = subject.clone(), torch.tensor([subject[0], UNSEEN, UNSEEN])
    columns = decoder.subject(nobody)
    expected = decoder.subject.weight.mean(dim=1) + decoder.subject.bias
    torch.testing.assert_close(columns[1, 0], expected)
    torch.testing.assert_close(columns[0], decoder.subject(some)[0], rtol=0, atol=0)
    torch.testing.assert_close(decoder(eeg, nobody)[0], decoder(eeg, some)[0])
    assert not torch.allclose(decoder(eeg, nobody)[1], decoder(eeg, some)[1])


def test_any_subject_without_conditioning() -> None:
    eeg, subject, _ = batch()
    decoder = small(subject_conditioning=False)
    assert torch.equal(decoder(eeg, subject), decoder(eeg, subject + 100))


@pytest.mark.parametrize(
    ("eeg", "subject", "message"),
    [
        ((2, 10, 64), (2,), r"eeg has shape \(2, 10, 64\); the decoder takes \(batch, n_times, 6\)"),
        ((10, 6), (10,), r"eeg has shape \(10, 6\)"),
        ((2, 0, 6), (2,), r"eeg has shape \(2, 0, 6\): a window of no samples"),
        ((2, 10, 6), (3,), r"subject has shape \(3,\); a batch of 2 windows needs \(2,\)"),
        ((2, 10, 6), (2, 1), r"subject has shape \(2, 1\)"),
    ],
)
def test_wrong_shapes_are_refused(eeg: tuple[int, ...], subject: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small()(torch.zeros(eeg, dtype=torch.float64), torch.zeros(subject, dtype=torch.int64))


def test_the_gate_tells_its_last_values() -> None:
    decoder = small(residual="gated")
    eeg, subject, _ = batch()
    assert decoder.gate is not None
    assert decoder.gate.last is None
    decoder(eeg, subject)
    last = decoder.gate.last
    assert last is not None
    assert last.shape == (3, 16)
    assert not last.requires_grad
    assert ((last > 0) & (last < 1)).all()


def test_feed_forward_weights_start_xavier_uniform() -> None:
    decoder = small(d_model=64, d_inner=128, n_heads=4)
    bound = math.sqrt(6 / (64 + 128))
    for block in decoder.layer_stack:
        for linear in (block.feed_forward_in.widen, block.feed_forward_out.narrow):
            assert 0.97 * bound < float(linear.weight.detach().abs().max()) <= bound


def test_building_is_deterministic_in_the_seed() -> None:
    first, again, other = small(seed=1), small(seed=1), small(seed=2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.head.weight, other.head.weight)


def test_every_model_in_the_table_is_buildable_by_kind() -> None:
    assert list(MODELS) == ["conformer"]
    with pytest.raises(ValueError, match="not 0 and 4"):
        build_model(Conformer(**SMALL), Improvements(), 0, 4)


@pytest.mark.parametrize("residual", ["none", "gated"])
def test_bfloat16_autocast_trains(residual: str) -> None:
    decoder = small(residual=residual, mlp_head=True, drop_prob=0.2).float().train()
    eeg, subject, _ = batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = decoder(eeg.float(), subject)
    y.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in decoder.parameters())


@pytest.mark.parametrize(("training", "wrong"), [(True, (-1, -2, 4, 9)), (False, (-2, -7, 4, 9))])
def test_a_subject_outside_the_range_is_refused_where_nobody_looks_at_it(
    training: bool, wrong: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the compiler and on a GPU: by the row that is not there."""
    embedding = SubjectEmbedding(4, 6).train(training)
    expected = embedding(torch.arange(4))
    unseen = None if training else embedding(torch.tensor([UNSEEN]))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert torch.equal(embedding(torch.arange(4)), expected)
    if unseen is not None:
        assert torch.equal(embedding(torch.tensor([UNSEEN])), unseen)
        torch.testing.assert_close(unseen, expected.mean(dim=0, keepdim=True))
    for index in wrong:
        with pytest.raises(IndexError):
            embedding(torch.tensor([0, index]))
