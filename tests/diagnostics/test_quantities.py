"""Every quantity against a slow, readable reference computed from full copies of weights and gradients."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ablab.diagnostics.presets import PRESETS, QUANTITIES
from ablab.diagnostics.session import Diagnostics
from ablab.models.build import build_model
from ablab.models.decoder import Decoder
from ablab.spec.experiment import Conformer, Improvements

Arrays = dict[str, NDArray[np.float64]]


def small(n_layers: int = 2, seed: int = 0, **improvements: Any) -> Decoder:
    model = Conformer(d_model=16, d_inner=24, n_heads=2, n_layers=n_layers, conv_kernel_size=5, drop_prob=0.1)
    torch.manual_seed(seed)
    return build_model(model, Improvements(**improvements), 6, 3).train()


def backward(decoder: Decoder, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    eeg, envelope = (torch.randn(4, 20, width, generator=generator) for width in (6, 1))
    decoder.zero_grad()
    torch.manual_seed(seed)
    ((decoder(eeg, torch.tensor([0, 1, 2, 0])) - envelope) ** 2).mean().backward()


def arrays(decoder: Decoder, *, gradient: bool = False) -> Arrays:
    return {
        name: np.array((parameter.grad if gradient else parameter).detach().numpy(), dtype=np.float64)
        for name, parameter in decoder.named_parameters()
    }


class Recorded:
    """A run of ``steps`` steps with every copy kept, and what the session said."""

    def __init__(self, decoder: Decoder, preset: str, every: int, steps: int, scale: float = 1.0) -> None:
        optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-3)
        session = Diagnostics(preset, every, decoder, scale)
        self.decoder = decoder
        self.weights = [arrays(decoder)]
        self.gradients: list[Arrays] = [{}]
        self.gates: list[Tensor | None] = [None]
        self.said: list[dict[str, float]] = [{}]
        self.branches: list[dict[str, Tensor]] = [{}]
        for step in range(1, steps + 1):
            session.before_forward(step)
            self.branches.append({})
            handles = self.listen(self.branches[-1])
            backward(decoder, step)
            for handle in handles:
                handle.remove()
            self.gradients.append(arrays(decoder, gradient=True))
            self.gates.append(decoder.gate.last if decoder.gate is not None else None)
            session.clipped(step % 4 == 0)
            if session.wants(step):
                session.before_update(step)
            torch.nn.utils.clip_grad_norm_(decoder.parameters(), 0.01)
            optimizer.step()
            self.weights.append(arrays(decoder))
            self.said.append(session.after_update(step))
        self.end = session.end()

    def listen(self, heard: dict[str, Tensor]) -> list[Any]:
        """Keep the stack's input and output of the next forward pass."""
        if not self.decoder.layer_stack:
            return []
        first, last = self.decoder.layer_stack[0], self.decoder.layer_stack[-1]
        return [
            first.register_forward_hook(lambda _, x, y: heard.update(input=x[0].detach())),
            last.register_forward_hook(lambda _, x, y: heard.update(stack=y.detach())),
        ]

    def flat(self, values: Arrays, group: str, *, moving: bool = False) -> NDArray[np.float64]:
        names = self.decoder.layer_groups()[group]
        if moving:
            names = tuple(name for name in names if name not in self.decoder.zero_gradient_parameters())
        return np.concatenate([values[name].ravel() for name in names])

    def change(self, later: int, earlier: int, group: str) -> float:
        difference = self.flat(self.weights[later], group, moving=True) - self.flat(
            self.weights[earlier], group, moving=True
        )
        return float(np.linalg.norm(difference))

    def size(self, step: int, group: str) -> float:
        return float(np.linalg.norm(self.flat(self.weights[step], group, moving=True)))


@pytest.fixture(scope="module")
def run() -> Recorded:
    return Recorded(small(residual="gated", mlp_head=True), "full", every=3, steps=8)


def rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))


def test_steps_observed(run: Recorded) -> None:
    assert [step for step in range(9) if run.said[step]] == [1, 3, 6]


def test_gradient_rms_and_ratio(run: Recorded) -> None:
    ratios = []
    for step in (1, 3, 6):
        values = {g: rms(run.flat(run.gradients[step], g)) for g in run.decoder.layer_groups()}
        for group, value in values.items():
            assert run.said[step][f"gradient/rms/{group}"] == pytest.approx(value, rel=1e-6)
        ratios.append(values["layer_stack.0"] / values["head"])
        assert run.said[step]["gradient/ratio"] == pytest.approx(ratios[-1], rel=1e-6)
    assert run.end["gradient/ratio"] == run.said[6]["gradient/ratio"]
    assert run.end["gradient/ratio_mean"] == pytest.approx(np.mean(ratios), rel=1e-6)


@pytest.mark.parametrize("mlp_head", [False, True])
@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_guide_ratio(mlp_head: bool, n_layers: int) -> None:
    run = Recorded(small(n_layers, mlp_head=mlp_head), "cheap", every=1, steps=1)

    def mean_peak(*prefixes: str) -> float:
        peaks = [
            max(abs(gradient.min()), abs(gradient.max()))
            for name, gradient in run.gradients[1].items()
            if name.startswith(prefixes)
        ]
        return float(np.mean(peaks))

    expected = mean_peak("layer_stack.0.", "layer_stack.1.") / mean_peak("head.")
    assert run.said[1]["gradient/guide_ratio"] == pytest.approx(expected, rel=1e-6)
    assert run.end["gradient/guide_ratio"] == run.said[1]["gradient/guide_ratio"]


def test_update_ratio(run: Recorded) -> None:
    for step in (1, 3, 6):
        for group in run.decoder.layer_groups():
            expected = run.change(step, step - 1, group) / run.size(step - 1, group)
            assert run.said[step][f"update_ratio/{group}"] == pytest.approx(expected, rel=1e-5)


def test_drift(run: Recorded) -> None:
    for step, said in ((1, run.said[1]), (6, run.said[6]), (8, run.end)):
        for group in run.decoder.layer_groups():
            expected = run.change(step, 0, group) / run.size(0, group)
            assert said[f"weights/drift/{group}"] == pytest.approx(expected, rel=1e-5)
        assert said["weights/front_change"] == said["weights/drift/layer_stack.0"]


def test_path_efficiency(run: Recorded) -> None:
    assert not any(name.startswith("path_efficiency") for name in run.said[1])
    stops = (0, 1, 3, 6, 8)
    for last in (2, 3, 4):
        said = run.end if last == 4 else run.said[stops[last]]
        for group in run.decoder.layer_groups():
            walked = sum(run.change(stops[k], stops[k - 1], group) for k in range(1, last + 1))
            expected = run.change(stops[last], 0, group) / walked
            assert said[f"path_efficiency/{group}"] == pytest.approx(expected, rel=1e-5)
            assert 0 < expected <= 1


def test_zero_gradient_biases_are_left_out_of_weight_changes(run: Recorded) -> None:
    """Adam moves them by rounding errors alone; with them every value would be another."""
    names = run.decoder.zero_gradient_parameters()
    assert all(np.abs(run.weights[8][name] - run.weights[0][name]).max() > 0 for name in names)
    whole = np.linalg.norm(
        run.flat(run.weights[8], "layer_stack.0") - run.flat(run.weights[0], "layer_stack.0")
    ) / np.linalg.norm(run.flat(run.weights[0], "layer_stack.0"))
    assert run.end["weights/drift/layer_stack.0"] != pytest.approx(whole, rel=1e-4)


def guide_change(run: Recorded, later: int, earlier: int) -> float:
    changes = []
    for name in run.decoder.layer_groups()["layer_stack.0"]:
        before, after = (
            (w[name].max() - w[name].min()) / 2 for w in (run.weights[earlier], run.weights[later])
        )
        if before > 0:
            changes.append(abs(after - before) / before)
    return float(np.mean(changes))


def test_guide_weight_change_of_a_short_run(run: Recorded) -> None:
    assert "weights/guide_change" not in run.said[1]
    for step, said in ((3, run.said[3]), (6, run.said[6]), (8, run.end)):
        assert said["weights/guide_change"] == pytest.approx(guide_change(run, step, 1), rel=1e-5)


def test_guide_weight_change_counts_from_step_100() -> None:
    run = Recorded(small(1), "cheap", every=50, steps=160)
    for step, reference in ((50, 1), (100, 1), (150, 100)):
        found = run.said[step]["weights/guide_change"]
        assert found == pytest.approx(guide_change(run, step, reference), rel=1e-5)
    assert run.end["weights/guide_change"] == pytest.approx(guide_change(run, 160, 100), rel=1e-5)


def test_gate(run: Recorded) -> None:
    for step in (1, 3, 6):
        gate = run.gates[step]
        assert gate is not None
        assert run.said[step]["gate/mean"] == pytest.approx(float(gate.double().mean()), rel=1e-6)
        assert run.said[step]["gate/sd"] == pytest.approx(float(np.std(gate.double().numpy())), rel=1e-6)
    assert run.end["gate/mean"] == run.said[6]["gate/mean"]


def test_branch_energies_of_a_gate(run: Recorded) -> None:
    for step in (1, 3, 6):
        gate = run.gates[step]
        assert gate is not None
        gate = gate.double()[:, None, :]
        stack = float((gate * run.branches[step]["stack"].double()).square().mean())
        skipped = float(((1 - gate) * run.branches[step]["input"].double()).square().mean())
        assert run.said[step]["branch/stack_rms"] == pytest.approx(stack**0.5, rel=1e-5)
        assert run.said[step]["branch/input_rms"] == pytest.approx(skipped**0.5, rel=1e-5)
        assert run.said[step]["branch/stack_share"] == pytest.approx(stack / (stack + skipped), rel=1e-5)
    assert run.end["branch/stack_share"] == run.said[6]["branch/stack_share"]


def test_branch_energies_of_a_sum_and_of_no_residual() -> None:
    run = Recorded(small(residual="global"), "cheap", every=2, steps=2)
    for branch in ("stack", "input"):
        energy = float(run.branches[2][branch].double().square().mean())
        assert run.said[2][f"branch/{branch}_rms"] == pytest.approx(energy**0.5, rel=1e-5)
    for n_layers, residual in ((2, "none"), (0, "gated")):
        said = Recorded(small(n_layers, residual=residual), "cheap", every=1, steps=1).said[1]
        assert not [name for name in said if name.startswith("branch/")]


def test_nothing_is_left_hanging_on_the_decoder(run: Recorded) -> None:
    for block in run.decoder.layer_stack:
        assert not block._forward_hooks and not block._forward_pre_hooks


def test_clip_fraction_counts_from_the_last_observed_step(run: Recorded) -> None:
    """Steps 4 and 8 of 8 are clipped; 1, 3 and 6 are observed."""
    assert [run.said[step]["gradient/clip_fraction"] for step in (1, 3, 6)] == [0, 0, 1 / 3]
    assert run.end["gradient/clip_fraction"] == 2 / 8


def test_clip_fraction_without_clipping_is_not_reported() -> None:
    decoder = small(1)
    session = Diagnostics("cheap", 1, decoder, 1.0)
    backward(decoder, 1)
    session.before_update(1)
    assert "gradient/clip_fraction" not in session.after_update(1) | session.end()


def test_means_over_the_observed_steps(run: Recorded) -> None:
    for group in run.decoder.layer_groups():
        updates = [run.said[step][f"update_ratio/{group}"] for step in (1, 3, 6)]
        assert run.end[f"update_ratio_mean/{group}"] == pytest.approx(np.mean(updates))
        if group != "head":
            ratios = [
                run.said[step][f"gradient/rms/{group}"] / run.said[step]["gradient/rms/head"]
                for step in (1, 3, 6)
            ]
            assert run.end[f"gradient/ratio_mean/{group}"] == pytest.approx(np.mean(ratios))
    assert run.end["gradient/ratio_mean"] == run.end["gradient/ratio_mean/layer_stack.0"]


@pytest.mark.parametrize("residual", ["none", "global", "gated"])
@pytest.mark.parametrize("position", ["stack", "head"])
def test_ratios_follow_the_gradient_scale_exactly(residual: str, position: str) -> None:
    """On identical weights and batch; the unscaled values do not move."""
    said = {}
    for scale in (1.0, 2.0, 3.0):
        decoder = small(residual=residual, gradient_scale=scale, gradient_scale_position=position)
        said[scale] = Recorded(decoder, "full", every=1, steps=1, scale=scale).said[1]
    for scale in (2.0, 3.0):
        for name in ("gradient/ratio", "gradient/guide_ratio"):
            assert said[scale][name] == pytest.approx(scale * said[1.0][name], rel=1e-5)
        unscaled = [n for n in said[scale] if "unscaled" in n]
        assert {"gradient/ratio_unscaled", "gradient/rms_unscaled/layer_stack.0"} <= set(unscaled)
        assert ("gradient/rms_unscaled/front_end" in unscaled) == (position == "head" or residual == "none")
        for name in unscaled:
            assert said[scale][name] == pytest.approx(said[1.0][name], rel=1e-5)
        assert said[scale]["gradient/rms/head"] == pytest.approx(said[1.0]["gradient/rms/head"], rel=1e-6)


def test_without_blocks_the_front_end_is_the_front() -> None:
    run = Recorded(small(0, residual="gated"), "full", every=1, steps=3)
    ratio = rms(run.flat(run.gradients[3], "front_end")) / rms(run.flat(run.gradients[3], "head"))
    assert run.end["gradient/ratio"] == pytest.approx(ratio, rel=1e-6)
    assert run.end["weights/front_change"] == run.end["weights/drift/front_end"]
    assert not {"gradient/guide_ratio", "weights/guide_change", "gate/mean"} & (
        run.end.keys() | run.said[3].keys()
    )


def test_a_frozen_stack_reads_zero() -> None:
    decoder = small(1)
    decoder.layer_stack.requires_grad_(False)
    session = Diagnostics("full", 1, decoder, 1.0)
    backward(decoder, 1)
    session.before_update(1)
    said = session.after_update(1)
    for name in ("gradient/ratio", "gradient/guide_ratio", "weights/front_change"):
        assert said[name] == 0
    assert said["gradient/rms/front_end"] > 0


@pytest.mark.parametrize("name", list(QUANTITIES))
def test_every_quantity_is_in_a_preset_and_presets_grow(name: str) -> None:
    assert name in PRESETS["full"]
    assert PRESETS["off"] == ()
    assert PRESETS["full"][: len(PRESETS["cheap"])] == PRESETS["cheap"]
    assert list(PRESETS) == ["off", "cheap", "full"]
