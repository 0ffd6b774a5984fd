"""``ablab experiment``: each command through the program, its errors, and the examples of its help."""

# Whole texts, as a user sees them, stand in one line.
# ruff: noqa: E501

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import jsonschema
import pytest
from click.testing import CliRunner, Result

from ablab.cli.main import cli
from ablab.paths import Paths
from ablab.spec.load import load_experiment, load_grid


@pytest.fixture(autouse=True)
def specs(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's specs in a working directory of the test's own."""
    for folder in ("experiments", "ablations"):
        shutil.copytree(root / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ablab(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def examples(*path: str) -> list[list[str]]:
    """The commands that a help text shows, split as a shell splits them."""
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    text = (command.help or "").replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in text.splitlines() if line.strip().startswith("ablab ")]


@pytest.mark.parametrize(
    "path",
    [("experiment", "new"), ("experiment", "list"), ("experiment", "show"), ("grid", "new"), ("schema",)],
)
def test_every_example_in_the_help_runs(path: tuple[str, ...]) -> None:
    found = examples(*path)
    assert found
    for arguments in found:
        result = ablab(*arguments)
        assert result.exit_code == 0, result.output
        assert result.stdout


def test_new_writes_a_file_that_loads(specs: Path) -> None:
    result = ablab(
        *("experiment", "new", "mine", "--extends", "experiments/v2_full.yaml", "--residual", "global"),
        *("--no-mlp-head", "--gradient-scale", "1.5", "--set", "training.epochs=20"),
    )
    assert (result.exit_code, result.stdout) == (0, "experiments/mine.yaml\n"), result.stderr
    experiment = load_experiment(Path("experiments/mine.yaml")).experiment
    improvements = experiment.improvements
    assert (improvements.residual, improvements.mlp_head, improvements.gradient_scale) == (
        "global",
        False,
        1.5,
    )
    assert experiment.training.epochs == 20
    assert experiment.model.d_model == 256


def test_new_refuses_to_write_over_a_file() -> None:
    arguments = ["experiment", "new", "v2_full", "--extends", "experiments/original.yaml"]
    result = ablab(*arguments)
    assert result.exit_code == 2
    assert result.stderr == (
        "error: experiments/v2_full.yaml: is there already; choose another name, or write over it with --force\n"
    )
    assert ablab(*arguments, "--force").exit_code == 0
    assert load_experiment(Path("experiments/v2_full.yaml")).experiment.improvements.residual == "none"


def test_new_reports_an_improvement_given_twice() -> None:
    result = ablab(
        *("experiment", "new", "mine", "--extends", "experiments/original.yaml"),
        *("--residual", "gated", "--set", "improvements.residual=none"),
    )
    assert result.exit_code == 2
    assert result.stderr == "error: --set: improvements.residual: is set twice\n"


def test_grid_new_writes_a_file_that_loads() -> None:
    result = ablab(
        *("grid", "new", "mine", "--base", "experiments/quickstart.yaml", "--seeds", "2"),
        *("--factor", "improvements.residual=none,gated", "--factor", "improvements.gradient_scale=1,2"),
        *("--design", "leave_one_out", "--set", "grid.analysis.sesoi=0.02", "--out", "studies/of/mine"),
    )
    assert (result.exit_code, result.stdout) == (0, "studies/of/mine/mine.yaml\n"), result.stderr
    loaded = load_grid(Path("studies/of/mine/mine.yaml"))
    assert loaded.grid.base == "../../../experiments/quickstart.yaml"
    assert loaded.grid.factors["improvements.gradient_scale"] == (1.0, 2.0)
    assert (loaded.grid.design, loaded.grid.seeds, loaded.grid.analysis.sesoi) == (
        "leave_one_out",
        (0, 1),
        0.02,
    )


def test_grid_new_names_a_wrong_factor() -> None:
    result = ablab(
        *("grid", "new", "mine", "--base", "experiments/quickstart.yaml"),
        *("--factor", "improvements.mlp_hed=false,true"),
    )
    assert result.exit_code == 2
    assert result.stderr == (
        "error: --factor: improvements.mlp_hed: unknown key of the experiment "
        "(did you mean 'improvements.mlp_head'?)\n"
    )
    assert not Path("ablations/mine.yaml").exists()


def test_list_names_every_experiment(root: Path) -> None:
    result = ablab("experiment", "list")
    assert result.exit_code == 0
    names = [line.split()[0] for line in result.stdout.splitlines()]
    assert names == sorted(file.stem for file in (root / "experiments").glob("*.yaml"))
    assert {"original", "v2_full"} <= set(names)
    value = json.loads(ablab("experiment", "list", "--json").stdout)
    jsonschema.validate(value, json.loads((root / "docs" / "json" / "experiment_list.json").read_text()))
    assert [entry["name"] for entry in value["experiments"]] == names


@pytest.mark.parametrize(
    "overrides", [(), ("--set", "dataset.kind=split_folder", "--set", "dataset.path=absent")]
)
def test_check_tells_facts_in_json(
    overrides: tuple[str, ...], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLAB_HOME", str(tmp_path / "mlruns"))
    result = ablab("experiment", "check", "experiments/quickstart_v2.yaml", *overrides, "--json")
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    jsonschema.validate(value, json.loads((root / "docs" / "json" / "experiment_check.json").read_text()))
    assert value["experiment"] == "quickstart_v2"
    states = {fact["name"]: fact["state"] for fact in value["facts"]}
    assert states["toggles"] == "yes"
    assert states["data"] == ("no" if overrides else "yes")


def test_list_reports_what_does_not_load_and_lists_the_rest() -> None:
    Path("experiments/broken.yaml").write_text("name: broken\nmodle: {}\n")
    result = ablab("experiment", "list")
    assert result.exit_code == 2
    assert len(result.stdout.splitlines()) == len(list(Path("experiments").glob("*.yaml"))) - 1
    assert result.stderr == "error: experiments/broken.yaml:2: modle: unknown key (did you mean 'model'?)\n"
    assert ablab("experiment", "list", "nowhere").stderr.startswith("error: nowhere: no such folder")


def test_show_prints_a_spec_that_loads_and_says_where_values_come_from() -> None:
    result = ablab("experiment", "show", "experiments/v2_full.yaml", "--set", "training.epochs=20")
    assert result.exit_code == 0
    assert "  d_model: 256  # experiments/original.yaml:" in result.stdout
    assert "  residual: gated  # experiments/v2_full.yaml:" in result.stdout
    assert "  epochs: 20  # --set" in result.stdout
    Path("shown.yaml").write_text(result.stdout)
    wanted = load_experiment(Path("experiments/v2_full.yaml"), ["training.epochs=20"]).experiment
    assert load_experiment(Path("shown.yaml")).experiment == wanted


def test_show_as_json_is_one_object_and_notices_go_to_stderr() -> None:
    Path("p.yaml").write_text("name: p\ndataset: {kind: simulated, minutes: 3}\n")
    Path("a.yaml").write_text("name: a\nextends: p.yaml\ndataset: {kind: split_folder}\n")
    result = ablab("experiment", "show", "a.yaml", "--json")
    assert json.loads(result.stdout)["training"]["betas"] == [0.9, 0.98]
    assert result.stderr == "note: dataset.kind is now 'split_folder': dropped dataset.minutes from p.yaml\n"


WRONG = {
    "unknown key": ("name: a\nmodel: {d_modle: 3}\n", "a.yaml:2: model.d_modle: unknown key (did you mean 'd_model'?)"),
    "tab": ("name: a\nmodel:\n\td_model: 3\n", "a.yaml:3: a tab stands where YAML wants spaces; indent with spaces"),
    "empty": ("", "a.yaml:1: is empty"),
    "list": ("- a\n", "a.yaml:1: must be a mapping of keys to values"),
    "circle": ("name: a\nextends: a.yaml\n", "a.yaml:2: extends: circular: a.yaml -> a.yaml"),
    "tag": (
        "name: !!python/name:os.system a\n",
        "a.yaml:1: name: YAML tag '!!python/name:os.system' is refused: a spec is plain data; "
        "write the value without the tag",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
@pytest.mark.parametrize(
    "command", [["experiment", "show"], ["experiment", "run", "--seed", "0"]], ids=" ".join
)
def test_a_wrong_file_is_told_without_a_traceback(command: list[str], fault: str) -> None:
    text, expected = WRONG[fault]
    Path("a.yaml").write_text(text)
    result = ablab(*command, "a.yaml")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {expected}\n")


def test_the_installed_program_reports_bytes_that_are_not_utf_8() -> None:
    Path("a.yaml").write_bytes(b"name: \xff\n")
    code = "from ablab.cli.main import main; main()"
    command = [sys.executable, "-c", code, "experiment", "show", "a.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: a.yaml:1: byte 0xff is not UTF-8; save the file as UTF-8\n"


def test_run_refuses_a_study_that_is_no_plain_name(paths: Paths) -> None:
    result = ablab("experiment", "run", "experiments/quickstart.yaml", "--seed", "0", "--study", "../x")
    assert result.exit_code == 2
    assert result.stderr == "error: --study: '../x' is no plain name (letters, digits, '_', '.', '-')\n"
    assert not paths.root.exists()


def test_run_needs_a_seed() -> None:
    result = ablab("experiment", "run", "experiments/quickstart.yaml")
    assert result.exit_code == 2
    assert "Missing option '--seed'" in result.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("tables")
def test_the_examples_of_run_train_once_and_only_once(paths: Paths) -> None:
    file = Path("experiments/quickstart.yaml")
    text = file.read_text(encoding="utf-8")
    for size, smaller in (("n_subjects: 8", "n_subjects: 2"), ("minutes: 8", "minutes: 2")):
        assert text.count(size) == 1
        text = text.replace(size, smaller)
    file.write_text(text, encoding="utf-8")
    arguments, by_two_processes = examples("experiment", "run")
    first = ablab(*arguments)
    assert first.exit_code == 0, first.output
    standing, done, _ = first.stdout.splitlines()
    assert re.match(r"quickstart seed 0 (DOES NOT BEAT|beats) .*the ridge \(\.\d{4}\)", standing)
    assert done.startswith("quickstart seed 0: done after ")
    again = ablab(*arguments, "--json")
    assert again.exit_code == 0
    value = json.loads(again.stdout)
    assert (value["study"], value["completed"], value["skipped"]) == ("experiments", 0, 1)
    other = ablab(*by_two_processes, "--json")
    assert other.exit_code == 0, other.output
    assert json.loads(other.stdout)["completed"] == 1  # another trial than that of one process
