"""The checklist before a long training."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ablab.orchestration.preflight import Fact, preflight
from ablab.paths import Paths
from ablab.spec.experiment import Experiment
from ablab.spec.load import load_experiment, with_values

V2 = {
    "improvements.residual": "gated",
    "improvements.mlp_head": True,
    "improvements.gradient_scale": 2.0,
}


def facts(experiment: Experiment, paths: Paths) -> dict[str, Fact]:
    return {fact.name: fact for fact in preflight(experiment, paths)}


def test_simulated_data_are_told_without_being_made(root: Path, paths: Paths) -> None:
    found = facts(load_experiment(root / "experiments" / "quickstart.yaml").experiment, paths)
    assert {fact.state for fact in found.values()} == {"yes"}
    assert found["data"].text.startswith("simulated: 8 subjects")
    assert "steps of 8; " in found["epoch"].text
    assert not paths.root.exists()


def test_model_toggles_scale_and_diagnosis(paths: Paths) -> None:
    base = with_values(Experiment(name="a"), {"dataset.kind": "simulated", "dataset.n_subjects": 71})
    found = facts(with_values(base, V2), paths)
    assert found["model"].text == "conformer, d 256, 8 blocks, 4 heads, 15,588,161 parameters"
    assert found["toggles"].text == "residual gated, MLP head: v2"
    assert found["gradient scale"].text == "2, at the stack"
    assert facts(base, paths)["toggles"].text == "residual none, linear head: the original"
    assert facts(base, paths)["gradient scale"].text == "1 (off)"
    off = facts(with_values(base, {"diagnostics.preset": "off"}), paths)["diagnosis"]
    assert (off.state, off.text) == ("no", "off: nothing will be known of gradients and weights")


@pytest.mark.parametrize(("every", "observed"), [(1, 40), (7, 6), (40, 2), (100, 1)])
def test_observations_are_counted(every: int, observed: int, paths: Paths) -> None:
    """Step 1 and every so many; 20 epochs of 2 steps: 1 recording of 16 windows in batches of 8."""
    spec = with_values(
        Experiment(name="a"),
        {
            "dataset.kind": "simulated",
            "dataset.n_subjects": 1,
            "dataset.minutes": 2.0,
            "dataset.windows_per_recording": 16,
            "training.batch_size": 8,
            "training.epochs": 20,
            "diagnostics.every_steps": every,
        },
    )
    found = facts(spec, paths)
    assert found["epoch"].text == "16 windows of 10 s in 2 steps of 8; 40 steps in all"
    assert found["diagnosis"].text.endswith(f": {observed} observation{'s' * (observed > 1)}")


def test_data_that_are_not_there_are_named(paths: Paths) -> None:
    found = facts(with_values(Experiment(name="a"), {"dataset.path": "nowhere"}), paths)
    assert found["data"].state == "no"
    assert "nowhere: there is no such folder" in found["data"].text
    assert found["epoch"].state == "unknown"


@pytest.mark.real_data
def test_real_eeg(dtu_subset: Path, paths: Paths) -> None:
    spec = with_values(Experiment(name="a"), {"dataset.path": str(dtu_subset)})
    found = facts(spec, paths)
    assert found["model"].text.endswith("15,505,665 parameters")
    assert "8 subjects" in found["data"].text
    assert "240 windows of 10 s in 4 steps of 64" in found["epoch"].text


def test_the_command_imports_no_torch(root: Path, paths: Paths) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from ablab.cli.main import cli;"
        "done = CliRunner().invoke(cli, ['experiment', 'check', 'experiments/quickstart.yaml']);"
        "print(done.stdout); assert done.exit_code == 0; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(
        "quickstart   experiments/quickstart.yaml\n  model           conformer, d 16"
    )
