import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ablab.diagnostics.presets import PRESETS
from ablab.diagnostics.session import Diagnostics
from ablab.models.build import build_model
from ablab.models.decoder import Decoder
from ablab.spec.experiment import Conformer, Improvements
from ablab.spec.experiment import Diagnostics as DiagnosticsSpec


def small() -> Decoder:
    model = Conformer(d_model=16, d_inner=24, n_heads=2, n_layers=1, conv_kernel_size=5)
    torch.manual_seed(0)
    return build_model(model, Improvements(residual="gated", mlp_head=True, gradient_scale=2.0), 6, 3).train()


LAST: dict[str, torch.optim.Optimizer] = {}
"""The optimizer of the latest `train`."""


def train(
    preset: str, n_steps: int = 7, every: int = 2
) -> tuple[Decoder, Diagnostics, list[dict[str, float]]]:
    """A run of a few steps; the session has not been told that it has ended."""
    decoder = small()
    optimizer = LAST["optimizer"] = torch.optim.Adam(decoder.parameters(), lr=1e-2)
    session = Diagnostics(preset, every, decoder, 2.0)
    return decoder, session, steps(decoder, session, optimizer, 1, n_steps)


def steps(
    decoder: Decoder, session: Diagnostics, optimizer: torch.optim.Optimizer, first: int, last: int
) -> list[dict[str, float]]:
    """A loop as training writes it: draws, gradient, observation, clipping, update, observation."""
    said = []
    for step in range(first, last + 1):
        optimizer.zero_grad()
        session.before_forward(step)
        y = decoder(torch.randn(4, 20, 6), torch.tensor([0, 1, 2, 0]))
        ((y - torch.randn(4, 20, 1)) ** 2).mean().backward()
        session.clipped(step > 3)
        if session.wants(step):
            session.before_update(step)
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        said.append(session.after_update(step))
        session.histograms(step)
    return said


def test_never_disturbs() -> None:
    """Weights, buffers, gradients and random state are the same to the bit under every preset."""
    states = {}
    for preset in PRESETS:
        decoder, session, _ = train(preset)
        session.end()
        gradients = [p.grad for p in decoder.parameters() if p.grad is not None]
        states[preset] = ([*decoder.state_dict().values(), *gradients], torch.get_rng_state())
    for preset in ("cheap", "full"):
        assert torch.equal(states[preset][1], states["off"][1])
        assert len(states[preset][0]) == len(states["off"][0])
        assert all(torch.equal(a, b) for a, b in zip(states[preset][0], states["off"][0], strict=True))


def test_presets_are_those_of_the_spec() -> None:
    for preset in PRESETS:
        assert DiagnosticsSpec(preset=preset).preset == preset  # type: ignore[arg-type]


def test_metrics_of_each_preset() -> None:
    groups = ("front_end", "se", "subject", "layer_stack.0", "gate", "head")
    cheap = {
        "gradient/ratio",
        "gradient/ratio_unscaled",
        "gradient/guide_ratio",
        "gradient/rms_unscaled/layer_stack.0",
        "gradient/clip_fraction",
        "weights/front_change",
        "weights/guide_change",
        "gate/mean",
        "gate/sd",
        "branch/stack_rms",
        "branch/input_rms",
        "branch/stack_share",
        *(f"weights/drift/{group}" for group in groups),
        *(f"gradient/rms/{group}" for group in groups),
        *(f"update_ratio/{group}" for group in groups),
    }
    full = cheap | {f"path_efficiency/{group}" for group in groups}
    means = {"gradient/ratio_mean"}
    means |= {f"gradient/ratio_mean/{group}" for group in groups if group != "head"}
    means |= {f"update_ratio_mean/{group}" for group in groups}
    for preset, expected in (("off", set()), ("cheap", cheap), ("full", full)):
        _, session, said = train(preset)
        assert said[5].keys() == expected
        assert said[4] == {}
        assert all(isinstance(value, float) for value in said[5].values())
        at_end = {n for n in expected if not n.startswith(("gradient/rms", "update_ratio"))}
        assert session.end().keys() == at_end | (means if at_end else set())


def test_a_session_goes_on_from_its_saved_state(tmp_path: Path) -> None:
    """Interrupted after step 3 and resumed, it says the same as one that never was."""
    decoder, whole, said = train("full")
    file = tmp_path / "state.pt"
    resumed_decoder, broken, _ = train("full", 3)
    torch.save(
        {
            "session": broken.state(),
            "weights": resumed_decoder.state_dict(),
            "random": torch.get_rng_state(),
            "optimizer": LAST["optimizer"].state_dict(),
        },
        file,
    )
    saved = torch.load(file, weights_only=True)
    fresh = small()
    session = Diagnostics("full", 2, fresh, 2.0)
    fresh.load_state_dict(saved["weights"])
    session.restore(saved["session"])
    torch.set_rng_state(saved["random"])
    optimizer = torch.optim.Adam(fresh.parameters(), lr=1e-2)
    optimizer.load_state_dict(saved["optimizer"])
    again = steps(fresh, session, optimizer, 4, 7)
    assert again == said[3:]
    assert session.end() == whole.end()
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), decoder.parameters(), strict=True))


def test_observes_the_first_step_and_every_nth() -> None:
    session = Diagnostics("cheap", 3, small(), 1.0)
    assert [step for step in range(1, 10) if session.wants(step)] == [1, 3, 6, 9]
    assert not any(Diagnostics("off", 1, small(), 1.0).wants(step) for step in range(1, 10))


def test_a_run_shorter_than_the_interval_is_observed() -> None:
    _, session, said = train("cheap", 3, every=100)
    assert said[0]["gradient/ratio"] > 0
    end = session.end()
    assert end["gradient/ratio"] == said[0]["gradient/ratio"]
    assert end["weights/front_change"] > said[0]["weights/front_change"] > 0
    assert end["weights/guide_change"] > 0


@pytest.mark.parametrize(("preset", "due"), [("off", []), ("cheap", [1, 20]), ("full", [1, 2, 4, 6])])
def test_histograms(preset: str, due: list[int]) -> None:
    decoder = small()
    optimizer = torch.optim.SGD(decoder.parameters(), lr=0.1)
    session = Diagnostics(preset, 2, decoder, 2.0)
    for step in range(1, (due or [3])[-1] + 1):
        optimizer.zero_grad()
        decoder(torch.randn(2, 9, 6), torch.tensor([0, 1])).square().mean().backward()
        gradients: dict[str, Tensor] = {
            name: p.grad.clone() for name, p in decoder.named_parameters() if p.grad is not None
        }
        session.before_update(step)
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1e-4)
        optimizer.step()
        session.after_update(step)
        drawn = session.histograms(step)
        assert bool(drawn) == (step in due)
        if drawn:
            names = [name for name, _ in decoder.named_parameters()]
            assert set(drawn) == {f"{kind}/{name}" for kind in ("Gradient", "Weight") for name in names}
            for name, parameter in decoder.named_parameters():
                assert torch.equal(drawn[f"Gradient/{name}"], gradients[name])  # before clipping
                assert torch.equal(drawn[f"Weight/{name}"], parameter)
                assert not drawn[f"Weight/{name}"].requires_grad
    assert "Gradient/layer_stack.0.attention.query.weight" in drawn or preset != "full"


def test_histograms_without_observed_gradients_are_of_weights_alone() -> None:
    decoder = small()
    assert {name.split("/")[0] for name in Diagnostics("full", 1, decoder, 1.0).histograms(1)} == {"Weight"}


def test_values_that_are_not_finite_are_left_out() -> None:
    decoder = small()
    session = Diagnostics("full", 1, decoder, 2.0)
    decoder(torch.full((2, 9, 6), math.nan), torch.tensor([0, 1])).sum().backward()
    session.before_update(1)
    said = session.after_update(1)
    assert "gradient/ratio" not in said
    assert said["weights/front_change"] == 0
    assert all(math.isfinite(value) for value in (said | session.end()).values())


def test_nothing_without_a_step() -> None:
    session = Diagnostics("full", 10, small(), 2.0)
    assert session.after_update(10) == {}
    assert session.end()["weights/front_change"] == 0
    assert "gradient/ratio" not in session.end()


def test_the_interval_must_be_positive() -> None:
    with pytest.raises(ValueError, match="every_steps is 0"):
        Diagnostics("cheap", 0, small(), 1.0)


def test_no_transfer_per_tensor(root: Path) -> None:
    """One ``.cpu()`` in the measuring module, and no ``.item()`` in the room."""
    sources = {path.name: path.read_text() for path in (root / "platform/ablab/diagnostics").glob("*.py")}
    assert sum(text.count(".cpu()") for text in sources.values()) == 1
    assert not any(".item()" in text or ".tolist()" in text for text in sources.values())
