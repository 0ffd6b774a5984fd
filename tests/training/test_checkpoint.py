from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ablab.training.checkpoint import Facts, load, save

FACTS = Facts("0" * 32, 3, 40, 0.125, '{"name": "x"}', 64, ("a", "b"))


def test_comes_back_as_it_went(tmp_path: Path) -> None:
    weights = {"head.weight": torch.tensor([1.0, 0.1]), "steps": torch.tensor(3)}
    save(tmp_path / "best.pt", FACTS, weights)
    back = load(tmp_path / "best.pt")
    assert back.facts == FACTS
    assert back.weights.keys() == weights.keys()
    assert all(torch.equal(back.weights[name], weights[name]) for name in weights)


def test_loads_without_running_code(tmp_path: Path) -> None:
    save(tmp_path / "best.pt", FACTS, {"w": torch.zeros(1)})
    content = torch.load(tmp_path / "best.pt", weights_only=True)
    assert content["subjects"] == ["a", "b"]


def test_a_failed_write_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "best.pt", FACTS, {"w": torch.ones(1)})

    def full(content: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path / "best.pt", FACTS, {"w": torch.zeros(1)})
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]
    assert load(tmp_path / "best.pt").weights["w"].item() == 1.0


def test_another_format_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 99}, tmp_path / "best.pt")
    with pytest.raises(ValueError, match="checkpoint format 99 is not 1, the one this version reads"):
        load(tmp_path / "best.pt")
