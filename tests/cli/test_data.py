from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result

from ablab.cli.main import cli
from ablab.data.listener import speech_envelope
from ablab.paths import Paths


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def _valid(stdout: str, root: Path) -> Any:
    """The one object on stdout, as the documented schema has it."""
    told = json.loads(stdout)
    jsonschema.validate(told, json.loads((root / "docs" / "json" / "data_check.json").read_text("utf-8")))
    return told


@pytest.fixture
def simulated(tmp_path: Path, paths: Paths) -> Path:
    out = tmp_path / "sim"
    done = _run("data", "simulate", out, "--subjects", 2, "--minutes", 1, "--chans", 3, "--seed", 4)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out}: 2 simulated listeners, 1 min each, 3 channels\n"
    return out


def test_check_prints_what_the_folder_holds(simulated: Path) -> None:
    done = _run("data", "check", simulated)
    assert done.exit_code == 0 and done.stderr == ""
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines == {
        "folder": str(simulated),
        "subjects": "2   sim-001, sim-002",
        "recordings": "2",
        "minutes": "2.0   (train 1.6, val 0.2, test 0.2)",
        "channels": "3",
        "problems": "none",
        "leakage": "none",
        "stimuli": "no envelope stands in two recordings",
    }


def test_check_as_json_is_one_object(simulated: Path, root: Path) -> None:
    done = _run("data", "check", simulated, "--json")
    told = _valid(done.stdout, root)
    assert done.exit_code == 0
    assert (
        told["subjects"] == ["sim-001", "sim-002"] and told["n_chans"] == 3 and len(told["fingerprint"]) == 32
    )
    assert told["problems"] == [] and told["leakage"] == [] and told["shared_stimuli"] == []


def test_problems_end_in_exit_code_2_with_every_file(simulated: Path, root: Path) -> None:
    eeg = simulated / "val_-_sim-001_-_rec00_-_eeg.npy"
    np.save(eeg, np.load(eeg).astype(np.float64))
    (simulated / "test_-_sim-002_-_rec00_-_envelope.npy").unlink()
    done = _run("data", "check", simulated)
    assert done.exit_code == 2
    assert "problems   2" in done.stdout and "not looked for before the problems are solved" in done.stdout
    assert f"error: {eeg}: dtype is float64, not float32" in done.stderr
    assert "test_-_sim-002_-_rec00_-_envelope.npy: missing" in done.stderr
    as_json = _run("data", "check", simulated, "--json")
    assert as_json.exit_code == 2 and len(_valid(as_json.stdout, root)["problems"]) == 2


def test_leakage_ends_in_exit_code_2_with_files_and_times(simulated: Path, root: Path) -> None:
    train = np.load(simulated / "train_-_sim-001_-_rec00_-_envelope.npy")
    held_out = simulated / "test_-_sim-002_-_rec00_-_envelope.npy"
    np.save(held_out, train[640 : 640 + len(np.load(held_out))])
    done = _run("data", "check", simulated)
    assert done.exit_code == 2 and "leakage    1 segment\n" in done.stdout
    assert f"error: {held_out}: 6.0 s from 0.0 s, stand in training too: train_-_sim-001" in done.stderr
    assert "from 10.0 s" in done.stderr
    (leak,) = _valid(_run("data", "check", simulated, "--json").stdout, root)["leakage"]
    assert leak["train_start"] == 10.0 and leak["seconds"] == 6.0


def test_check_of_nothing(tmp_path: Path, paths: Paths) -> None:
    done = _run("data", "check", tmp_path / "nowhere")
    assert done.exit_code == 2 and "there is no such folder" in done.stderr
    assert "Traceback" not in done.output


def test_simulate_does_not_write_over_anything(simulated: Path) -> None:
    done = _run("data", "simulate", simulated)
    assert done.exit_code == 2 and "exists already" in done.stderr


def test_simulate_refuses_what_cannot_be(tmp_path: Path, paths: Paths) -> None:
    assert _run("data", "simulate", tmp_path / "a", "--subjects", 0).exit_code == 2
    assert _run("data", "simulate", tmp_path / "a", "--minutes", 0.01).exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def raw(tmp_path: Path, paths: Paths) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    rows = ["file,subject,recording,stimulus"]
    for number in range(4):
        rng = np.random.default_rng(number)
        np.save(folder / f"p1_run{number}_eeg.npy", rng.standard_normal((2560, 3)))
        np.save(folder / f"p1_run{number}_envelope.npy", speech_envelope(2560, rng))
        rows.append(f"p1_run{number},p1,run{number},story{number}")
    (tmp_path / "table.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


def test_split_by_time_and_by_stimulus(raw: Path, tmp_path: Path, root: Path) -> None:
    done = _run("data", "split", raw, tmp_path / "by_time")
    assert done.exit_code == 0 and "recordings 4" in done.stdout and "leakage    none" in done.stdout
    assert f"folder     {tmp_path / 'by_time'}" in done.stdout and "4 of 4: p1_run3_eeg.npy" in done.stderr
    done = _run(
        "data",
        "split",
        raw,
        tmp_path / "by_story",
        "--table",
        tmp_path / "table.csv",
        "--by",
        "stimulus",
        "--json",
    )
    told = _valid(done.stdout, root)
    assert told["folder"] == str(tmp_path / "by_story")
    assert told["minutes"] == pytest.approx({"train": 4 / 3, "val": 2 / 3, "test": 2 / 3})
    assert _run("data", "check", tmp_path / "by_story").exit_code == 0


def test_split_resamples(raw: Path, tmp_path: Path) -> None:
    assert _run("data", "split", raw, tmp_path / "out", "--sfreq", 128).exit_code == 0
    assert np.load(tmp_path / "out" / "train_-_p1_-_run0_-_eeg.npy").shape == (1024, 3)


def test_split_refuses_an_existing_folder_without_force(raw: Path, tmp_path: Path) -> None:
    assert _run("data", "split", raw, tmp_path / "out").exit_code == 0
    again = _run("data", "split", raw, tmp_path / "out")
    assert again.exit_code == 2 and "--force replaces it" in again.stderr
    assert _run("data", "split", raw, tmp_path / "out", "--force").exit_code == 0
