"""``ablab doctor`` on a healthy state root, and on one in which everything is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from ablab.cli.doctor import doctor
from ablab.orchestration import doctor as doctors
from ablab.orchestration.lease import Holder, hold
from ablab.orchestration.lock import trial_lease
from ablab.paths import Paths
from ablab.spec.experiment import Experiment
from ablab.spec.trial import Cell, Trial
from ablab.tracking import file_systems
from ablab.tracking.journal import Head, Journal, folder
from ablab.tracking.mlflow.store import MlflowStore

DEAD = 2**22 + 1  # beyond the largest process id


def _trial(seed: int) -> Trial:
    cell = Cell("gated", "gated", {}, Experiment(name="tiny"))
    return Trial(f"{seed:032x}", "quick", cell, seed, "d4ta")


def _examined(root: Path, *options: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(doctor, ["--json", *options])
    told = json.loads(done.stdout)
    jsonschema.validate(told, json.loads((root / "docs" / "json" / "doctor.json").read_text()))
    return done.exit_code, told


def _wrong(told: dict[str, Any]) -> dict[str, str]:
    return {each["check"]: each["text"] for each in told["findings"] if each["state"] == "wrong"}


@pytest.fixture
def neglected(paths: Paths, tables: None) -> Paths:
    """A state root with a run whose process is gone, a stale lease, and a journal."""
    store = MlflowStore(f"sqlite:///{paths.mlflow_db}", paths)
    for seed in (0, 1):
        writer = store.open_run(_trial(seed))
        writer.flush()
        writer.abandon()
        lease = trial_lease("quick", "seed", _trial(seed).key, paths)
        lease.parent.mkdir(parents=True, exist_ok=True)
        lease.write_text(json.dumps({**asdict(Holder.of_this_process()), "pid": DEAD}))
    Journal(folder(writer.run_id, paths)).remove()
    (first,) = paths.journals.iterdir()
    journal = Journal(first, Head(first.name, "quick", "gated", 0, _trial(0).key, ""))
    journal.append({"end": "FINISHED", "at": 1_700_000_001_000})
    journal.close()
    return paths


def test_a_healthy_set_up_has_nothing_wrong(paths: Paths, root: Path) -> None:
    code, told = _examined(root)
    assert (code, told["ok"], told["fixed"], _wrong(told)) == (0, True, [], {})
    assert {each["check"] for each in told["findings"]} == set(doctors.CHECKS)
    assert not paths.root.exists()


def test_what_is_wrong_is_named_and_mended(neglected: Paths, root: Path) -> None:
    code, told = _examined(root)
    wrong = _wrong(told)
    assert (code, told["ok"], set(wrong)) == (1, False, {"leases", "runs", "journals"})
    assert wrong["runs"] == "quick: gated seed 1 reads running, and nobody works on it"
    assert wrong["journals"].startswith("quick: gated seed 0 waits in ")
    assert f"is stale: process {DEAD} on" in wrong["leases"]
    shown = CliRunner().invoke(doctor, [])
    assert "! journals    quick: gated seed 0 waits in" in shown.stdout
    assert "              -> ablab store sync" in shown.stdout

    code, told = _examined(root, "--fix")
    assert (code, told["ok"]) == (0, True)
    assert len(told["fixed"]) == 4
    assert "closed quick: gated seed 1 as killed" in told["fixed"]
    states = MlflowStore(f"sqlite:///{neglected.mlflow_db}", neglected).states("quick")
    assert {state.seed: state.status for state in states} == {0: "finished", 1: "killed"}


def test_a_study_that_is_being_run_is_left_alone(neglected: Paths, root: Path) -> None:
    with hold(neglected.lease("quick"), "it"):
        _, told = _examined(root)
        assert "runs" not in _wrong(told)
        assert any(each["text"].startswith("quick: process") for each in told["findings"])


def test_a_store_that_cannot_be_written_is_wrong(paths: Paths, root: Path) -> None:
    paths.root.mkdir(parents=True)
    paths.mlflow_db.write_text("this is no database")
    code, told = _examined(root)
    assert code == 1
    assert "cannot be written (file is not a database)" in _wrong(told)["store"]


def test_a_server_that_does_not_answer_is_wrong(
    paths: Paths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    code, told = _examined(root, "--fix")
    assert code == 1
    assert "the tracking server does not answer" in _wrong(told)["store"]


def test_sqlite_on_a_network_file_system_is_wrong(
    paths: Paths, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path} lustre rw 0 0\n")
    monkeypatch.setattr(file_systems, "MOUNTS", table)
    code, told = _examined(root)
    assert code == 1
    assert "lies on a network file system (lustre" in _wrong(told)["store"]


def test_little_room_and_missing_or_old_packages_are_wrong(
    paths: Paths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")(2**40, 2**40 - 2**20, 2**20)
    monkeypatch.setattr(doctors.shutil, "disk_usage", lambda place: usage)
    wanted = ["numpy>=999", "no-such-package>=1", "pytest>=999; extra == 'dev'"]
    monkeypatch.setattr(doctors.metadata, "requires", lambda name: wanted)
    _, told = _examined(root)
    texts = [each["text"] for each in told["findings"] if each["state"] == "wrong"]
    assert any(text.startswith("1 MiB free of 1024.0 GiB at ") for text in texts)
    assert any(text.startswith("numpy ") and text.endswith(">=999 is needed") for text in texts)
    assert "no-such-package is not installed" in texts
    assert not any(text.startswith("pytest") for text in texts)


@pytest.mark.parametrize(
    ("script", "state", "text"),
    [
        ("echo 'NVIDIA H100, 81559 MiB, 4 MiB'", "ok", "GPU 0: NVIDIA H100, 81559 MiB, 4 MiB in use"),
        ("echo 'NVIDIA-SMI has failed'; exit 9", "wrong", "nvidia-smi fails: NVIDIA-SMI has failed"),
    ],
)
def test_gpus_are_asked_for_without_torch(
    paths: Paths,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    state: str,
    text: str,
) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    _, told = _examined(root)
    assert (state, text) in [(each["state"], each["text"]) for each in told["findings"]]


def test_it_imports_no_torch(paths: Paths) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from ablab.cli.doctor import doctor\n"
        "done = CliRunner().invoke(doctor, []); assert done.exit_code == 0, done.output\n"
        "print('torch' in sys.modules, 'mlflow' in sys.modules)"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    assert time.monotonic() - began < 60
