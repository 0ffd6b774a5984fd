"""A model of an installed package through the whole house: grid, local launcher, store, comparison."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import ABLAB, environment

from ablab.paths import Paths
from ablab.tracking.open import open_store
from ablab.tracking.provenance import code_fingerprint
from documented_plugin import write_package

EXPERIMENT = """
name: tiny
dataset: {kind: simulated, n_subjects: 2, minutes: 1.0, n_chans: 4, window_seconds: 2}
model: {kind: tiny, width: 4, depth: 2}
training: {epochs: 2, batch_size: 4, evaluate_every: 1, layer_rates: {front: 0.5}, weight_decay: 0.1}
evaluation: {segment_seconds: 2}
diagnostics: {preset: full, every_steps: 1}
"""
GRID = "kind: grid\nname: widths\nbase: tiny.yaml\nfactors: {model.width: [4, 8]}\nseeds: [0]\n"


def ablab(paths: Paths, site: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    inherited = environment(paths)
    found = os.pathsep.join([str(site), *sys.path[1:], inherited.get("PYTHONPATH", "")])
    return subprocess.run(
        [*ABLAB, *map(str, arguments)],
        env=inherited | {"PYTHONPATH": found},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("tables")
def test_a_grid_over_its_keys_is_trained_by_workers_recorded_and_compared(
    tmp_path: Path, paths: Paths
) -> None:
    site = tmp_path / "site"
    write_package(site)
    (tmp_path / "tiny.yaml").write_text(EXPERIMENT)
    grid = tmp_path / "grid.yaml"
    grid.write_text(GRID)
    done = ablab(paths, site, "grid", "run", grid, "--launcher", "local", "--workers", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["completed"] == 2
    # This process has no such package: what is in the store is readable all the same.
    records = open_store(paths).records("widths")
    assert [record.factors for record in records] == [{"model.width": 4}, {"model.width": 8}]
    for record in records:
        assert record.code_fingerprint == f"{code_fingerprint()}+lab-models 1.0"
        assert record.metrics["model/parameters"] == _parameters(record.factors["model.width"])
        for group in ("front_end", "layer_stack.0", "layer_stack.1", "head"):
            assert record.metrics[f"weights/drift/{group}"] > 0
        assert record.metrics["gradient/ratio"] > 0
    again = ablab(paths, site, "grid", "run", grid, "--json")
    assert json.loads(again.stdout)["skipped"] == 2, again.stderr
    newer = tmp_path / "newer"
    write_package(newer, version="1.1")
    stale = ablab(paths, newer, "grid", "run", grid)
    assert stale.returncode == 2
    assert "2 finished runs were made by other code" in stale.stderr
    compared = ablab(paths, site, "compare", "widths", "--json")
    assert compared.returncode == 0, compared.stderr
    assert [row["cell"] for row in json.loads(compared.stdout)["rows"]] == ["width=4", "width=8"]


def _parameters(width: int) -> int:
    return (4 + 1) * width + 2 * (width + 1) * width + width + 1
