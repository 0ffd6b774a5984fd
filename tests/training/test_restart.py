from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ablab.training.restart import Origin, Restart, find

ORIGIN = Origin(key="a" * 32, code="c0de", device="cpu")


def saved(folder: Path, *steps: int) -> Restart:
    restart = find(folder, ORIGIN)
    for step in steps:
        restart.save(step, {"weights": torch.full((50,), float(step)), "plain": [1, None, "x", {"y": 0.1}]})
    return restart


def test_the_newest_state_comes_back_as_it_went(tmp_path: Path) -> None:
    assert saved(tmp_path).state is None
    saved(tmp_path, 3, 5)
    found = find(tmp_path, ORIGIN)
    assert (found.step, found.notices) == (5, ())
    assert found.state is not None
    assert torch.equal(found.state["weights"], torch.full((50,), 5.0))
    assert found.state["plain"] == [1, None, "x", {"y": 0.1}]


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    saved(tmp_path, 3, 5, 999, 1000)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "restart-0000000999.pt",
        "restart-0000001000.pt",
    ]


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 0x10
    file.write_bytes(content)


def test_one_wrong_bit_in_the_newest_is_found_and_the_one_before_taken(tmp_path: Path) -> None:
    saved(tmp_path, 3, 5)
    newest = tmp_path / "restart-0000000005.pt"
    weights = torch.full((50,), 5.0).numpy().tobytes()
    flip(newest, newest.read_bytes().index(weights) + 7)
    # PyTorch itself reads on.
    assert torch.load(newest, weights_only=True)["state"]["weights"][1] != 5.0
    found = find(tmp_path, ORIGIN)
    assert found.step == 3
    (notice,) = found.notices
    assert notice.startswith("checkpoint restart-0000000005.pt is damaged (the checksum of ")
    assert notice.endswith("and was passed over")


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_half_a_file_is_passed_over(tmp_path: Path, kept: int) -> None:
    saved(tmp_path, 3, 5)
    newest = tmp_path / "restart-0000000005.pt"
    newest.write_bytes(newest.read_bytes()[:kept])
    found = find(tmp_path, ORIGIN)
    assert found.step == 3
    assert "is damaged" in found.notices[0]


def test_nothing_whole_is_nothing(tmp_path: Path) -> None:
    for step in (3, 5):
        (tmp_path / f"restart-{step:010d}.pt").write_bytes(b"no archive")
    found = find(tmp_path, ORIGIN)
    assert (found.step, found.state) == (0, None)
    assert len(found.notices) == 2


def test_a_file_that_would_run_code_is_damaged(tmp_path: Path) -> None:
    torch.save({"format": 1, "state": Path("x")}, tmp_path / "restart-0000000005.pt")
    (notice,) = find(tmp_path, ORIGIN).notices
    assert "Weights only load failed" in notice


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (replace(ORIGIN, key="b" * 32), "it is of trial aaaaaaaa"),
        (replace(ORIGIN, code="other"), "the code has changed since; the trial starts afresh"),
        (
            replace(ORIGIN, device="cuda", processes=2),
            "it is of 1 process(es) on cpu, and this is 2 on cuda; the trial starts afresh",
        ),
    ],
)
def test_a_state_of_another_origin_is_of_no_use(tmp_path: Path, other: Origin, text: str) -> None:
    saved(tmp_path, 3)
    found = find(tmp_path, other)
    assert found.state is None
    assert found.notices == (f"checkpoint restart-0000000003.pt was passed over: {text}",)


def test_a_failed_write_leaves_the_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restart = saved(tmp_path, 3, 5)

    def full(content: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="disk full"):
        restart.save(7, {})
    assert len(list(tmp_path.iterdir())) == 2
    assert find(tmp_path, ORIGIN).step == 5
