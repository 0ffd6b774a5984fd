"""``ablab train``: the guide's flags through the program."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ablab.cli.main import cli
from ablab.paths import Paths
from ablab.spec.load import load_experiment
from ablab.tracking.open import open_store

SMALL = (
    *("--epoch", "1", "--batch_size", "4", "--n_layers", "1", "--d_model", "8", "--n_head", "1"),
    *("--conv_kernel_size", "3", "--set", "dataset.kind=simulated", "--set", "dataset.n_chans=4"),
    *("--set", "dataset.n_subjects=2", "--set", "dataset.minutes=1.0", "--set", "dataset.window_seconds=2"),
    *("--set", "evaluation.segment_seconds=2", "--set", "model.d_inner=8"),
)


def train(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["train", *arguments])


@pytest.mark.parametrize(("text", "residual"), [("True", "gated"), ("False", "global"), ("0", "global")])
def test_a_boolean_means_what_it_says(text: str, residual: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    done = train("--variant", "v2", "--use_gated_residual", text, "--dry-run", "--save", str(file))
    assert done.exit_code == 0, done.output
    assert load_experiment(file).experiment.improvements.residual == residual
    assert done.stdout == file.read_text()


def test_what_is_no_boolean_is_refused() -> None:
    done = train("--variant", "v2", "--use_mlp_head", "maybe")
    assert done.exit_code == 2
    assert "'maybe' is not a valid boolean" in done.stderr


def test_a_gpu_by_number_and_several_are_refused_together() -> None:
    done = train("--variant", "v2", "--gpu", "0", "--use_ddp", "--nproc_per_node", "2")
    assert (done.exit_code, done.stderr) == (
        2,
        "error: --gpu and --use_ddp: several processes take the GPUs of CUDA_VISIBLE_DEVICES; "
        "leave --gpu out\n",
    )


@pytest.mark.usefixtures("tables")
def test_it_prints_the_spec_and_trains_it(paths: Paths) -> None:
    done = train("--variant", "v2", "--use_mlp_head", "False", "--gpu", "-1", *SMALL)
    assert done.exit_code == 0, done.output
    assert "mlp_head: false" in done.stdout
    (record,) = open_store(paths).records("experiments")
    assert record.status == "finished"
    assert record.experiment.improvements.model_dump() == {
        "residual": "gated",
        "mlp_head": False,
        "gradient_scale": 2.0,
        "gradient_scale_position": "stack",
    }
    again = train("--variant", "v2", "--use_mlp_head", "False", "--gpu", "-1", *SMALL)
    assert "was done before" in again.stdout
