"""The additions of docs/extending.md, made to a copy of the sources: they train and are recorded."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.docs.pages import ROOT

from ablab.spec.experiment import Experiment
from ablab.spec.identity import content

PAGE = ROOT / "docs" / "extending.md"
LISTING = re.compile(r"^```(diff|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

EXPERIMENT = """
name: extended
dataset: {kind: zipped, path: recordings.zip, window_seconds: 2}
model: {d_model: 8, d_inner: 8, n_heads: 1, n_layers: 1, conv_kernel_size: 3}
improvements: {head_norm: true}
training: {epochs: 1, batch_size: 4}
evaluation: {segment_seconds: 2}
diagnostics: {every_steps: 1}
"""

GRID = """
kind: grid
name: head_norm
base: extended.yaml
factors: {improvements.head_norm: [false, true]}
"""

TRAIN = """
import json
from pathlib import Path
from click.testing import CliRunner
import ablab
from ablab.cli.main import cli
from ablab.models.parameter_count import parameter_count
from ablab.spec.experiment import Experiment
from ablab.spec.identity import content
from ablab.spec.load import load_experiment

def do(*words):
    done = CliRunner().invoke(cli, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout

do("data", "simulate", "recordings", "--subjects", "2", "--minutes", "1", "--chans", "4")
import shutil; shutil.make_archive("recordings", "zip", "recordings")
do("experiment", "run", "extended.yaml", "--seed", "0", "--study", "extended")
study = ablab.load_study("extended")
groups = ("head", "head_norm", "front_end")
shares = {name: study.curves(f"gradient/share/{name}")["value"].tolist() for name in groups}
experiment = load_experiment(Path("extended.yaml")).experiment
print(json.dumps({
    "package": ablab.__file__,
    "keys": {key: str(value) for key, value in content(Experiment(name="a")).items()},
    "shares": shares,
    "parameters": study.runs["model/parameters"].tolist(),
    "counted": parameter_count(experiment.model, experiment.improvements, 4, 2),
    "plan": do("grid", "plan", "grid.yaml", "--offline"),
}))
"""


def _extend(package: Path) -> list[str]:
    """Make every change of the page below ``package``; returns the files that were touched."""
    page = PAGE.read_text(encoding="utf-8")
    touched = []
    for listing in LISTING.finditer(page):
        named = re.findall(r"^`([\w/]+\.py)`", page[: listing.start()], re.MULTILINE)[-1]
        file, (kind, text) = package / named, listing.groups()
        if kind == "python":
            assert not file.exists(), f"{named} is no new file any more"
            file.write_text(text, encoding="utf-8")
        else:
            lines = text.splitlines()
            old = "\n".join(line[1:] for line in lines if not line.startswith("+"))
            new = "\n".join(line[1:] for line in lines if not line.startswith("-"))
            source = file.read_text(encoding="utf-8")
            assert source.count(old) == 1, f"{named} does not read so (once):\n{old}"
            file.write_text(source.replace(old, new), encoding="utf-8")
        touched.append(named)
    return touched


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with the page's changes; the folder to import from."""
    folder = tmp_path_factory.mktemp("extended") / "platform"
    shutil.copytree(ROOT / "platform", folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert len(_extend(folder / "ablab")) == 13
    return folder


@pytest.mark.slow
def test_the_additions_train_and_are_recorded(package: Path, tmp_path: Path) -> None:
    (tmp_path / "extended.yaml").write_text(EXPERIMENT)
    (tmp_path / "grid.yaml").write_text(GRID)
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN],
        cwd=tmp_path,
        env=kept
        | {"PYTHONPATH": str(package), "ABLAB_HOME": str(tmp_path / "mlruns"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert Path(said["package"]).is_relative_to(package)
    assert said["parameters"] == [said["counted"]]
    assert "head_norm=true" in said["plan"]
    assert all(0 < value < 1 for values in said["shares"].values() for value in values)
    assert zipfile.is_zipfile(tmp_path / "recordings.zip")
    assert said["keys"] == {key: str(value) for key, value in content(Experiment(name="a")).items()}


def test_files_that_the_page_names_are_there() -> None:
    named = re.findall(
        r"`(tests/[\w/]+\.py|(?:designs|data|spec|diagnostics|models)/\w+\.py)`", PAGE.read_text()
    )
    for name in set(named) - {"data/zipped.py", "diagnostics/gradient_share.py"}:
        assert (ROOT / name).is_file() or (ROOT / "platform" / "ablab" / name).is_file(), name
