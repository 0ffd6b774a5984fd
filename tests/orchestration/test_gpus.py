"""What is said where the GPUs cannot be counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hand_made import trial

from ablab.errors import InputError
from ablab.orchestration import gpus


def test_a_driver_that_hangs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\nexec sleep 60\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "version", lambda package: "2.9.0+cu128")
    monkeypatch.setattr(gpus, "_SECONDS", 0.2)
    with pytest.raises(InputError, match=r"nvidia-smi gives no answer within 0 s: see dmesg; --device cpu"):
        gpus.visible_gpus()


@pytest.mark.parametrize(
    ("declared", "found"),
    [("0,2", ("0", "2")), ("", ()), ("-1", ()), ("NoDevFiles", ()), ("GPU-a, GPU-b", ("GPU-a", "GPU-b"))],
)
def test_what_the_environment_names_is_what_trials_may_use(
    declared: str, found: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", declared)
    monkeypatch.setattr(gpus, "version", lambda package: "2.9.0+cu128")
    assert gpus.visible_gpus() == found


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_named_where_none_is_there_is_refused_at_once(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "visible_gpus", tuple)
    with pytest.raises(InputError, match=rf"--device {device}: no GPU can be used here; see 'ablab doctor'"):
        gpus.refuse_too_few([trial("finish").cell], device)
    gpus.refuse_too_few([trial("finish").cell], "auto")
