"""Launchers by name, their options, and one of an installed package: the very text of docs/launchers.md."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import tiny
from click.testing import CliRunner
from launcher_contract import LauncherContract
from tests.docs.pages import documented

from ablab.cli.main import cli
from ablab.errors import InputError, SpecError
from ablab.orchestration.grid import run_grid
from ablab.orchestration.launcher_table import LAUNCHERS, find_launcher, read_options
from ablab.paths import Paths
from ablab.tracking.open import open_store

PAGE = Path(__file__).resolve().parents[2] / "docs" / "launchers.md"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's package, as pip would leave it."""
    text = PAGE.read_text(encoding="utf-8")
    (module,) = re.findall(r"`lab_launchers\.py`:\n\n```python\n(.*?)```", text, re.DOTALL)
    (entry,) = re.findall(r'entry-points\."ablab\.launchers"\]\n(\w+) = "(\w+)"', text)
    folder = tmp_path / "site"
    about = folder / "lab_launchers-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-launchers\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[ablab.launchers]\n{entry[0]} = {entry[1]}\n")
    (folder / "lab_launchers.py").write_text(module)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "lab_launchers", raising=False)
    return folder


@pytest.mark.usefixtures("installed")
class TestInstalledLauncher(LauncherContract):
    """The page's launcher keeps the contract."""

    name = "polite"


@pytest.mark.usefixtures("installed")
def test_an_installed_launcher_runs_a_grid_and_its_options_are_checked(tmp_path: Path, paths: Paths) -> None:
    grid, store = tiny.loaded(tmp_path), open_store(paths)
    with pytest.raises(SpecError, match="--launcher-option: nices: unknown key"):
        run_grid(grid, paths=paths, store=store, launcher="polite", launcher_options=["nices=3"])
    command = documented("ablab grid run FILE --launcher polite").replace("FILE", str(tmp_path / "grid.yaml"))
    done = CliRunner().invoke(cli, [*command.split()[1:], "--workers", "2", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["completed"] == 2


def test_an_unknown_launcher_is_refused_with_the_nearest_name(installed: Path) -> None:
    for name, hint in (("slrum", "did you mean 'slurm'?"), ("polit", "did you mean 'polite'?")):
        with pytest.raises(InputError) as refused:
            find_launcher(name)
        assert str(refused.value) == f"--launcher: no launcher {name!r} ({hint})"
    with pytest.raises(InputError, match="there are: inline, local, ray, slurm, polite"):
        find_launcher("xyz")


def test_a_package_that_offers_no_launcher_is_named(installed: Path) -> None:
    (installed / "lab_launchers.py").write_text("Options = int\n")
    with pytest.raises(InputError, match=r"'polite' \(lab_launchers\) must have a function make"):
        find_launcher("polite")


def test_a_launcher_whose_package_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, LAUNCHERS["ray"], raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"'ray' is not installed; it comes with pip install 'ablab\[ray\]'"):
        find_launcher("ray")


def test_options_are_read_as_yaml_and_every_fault_is_named() -> None:
    ray = find_launcher("ray")
    options = read_options(ray, ["address=10.0.0.1:6379", "max_retries=5", "memory_gb=1.5"])
    assert options.model_dump(exclude_defaults=True) == {
        "address": "10.0.0.1:6379",
        "max_retries": 5,
        "memory_gb": 1.5,
    }
    with pytest.raises(SpecError) as refused:
        read_options(ray, ["adress=x", "max_retries=many", "memory_gb=1", "memory_gb=2"])
    lines = str(refused.value).splitlines()
    assert lines == [
        "--launcher-option: memory_gb: is set twice",
        "--launcher-option: max_retries: must be a whole number, not the string 'many'",
        "--launcher-option: adress: unknown key (did you mean 'address'?)",
        "--launcher-option: the ray launcher takes: address, max_retries, memory_gb, state_root, working_dir",
    ]
    with pytest.raises(SpecError, match="the local launcher takes: none"):
        read_options(find_launcher("local"), ["address=x"])
