from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

from ablab.errors import InputError
from ablab.training.distributed import ALONE, place_of


def test_one_process_alone_waits_for_nobody_and_changes_nothing() -> None:
    module = torch.nn.BatchNorm1d(2)
    ALONE.wait()
    ALONE.synchronise(module)
    assert (ALONE.any(True), ALONE.any(False), ALONE.gather(3), ALONE.first(3)) == (True, False, [3], 3)
    assert ALONE.wrap(module) is module  # type: ignore[arg-type]
    assert ALONE.is_first
    values = torch.ones(2)
    assert ALONE.mean(values) is values
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(
    ("device", "n_gpus", "expected"),
    [("auto", 0, "cpu"), ("cpu", 8, "cpu"), ("auto", 4, "cuda:3"), ("cuda", 8, "cuda:3")],
)
def test_each_process_has_a_device(device: str, n_gpus: int, expected: str) -> None:
    assert str(place_of(3, 4, device, n_gpus)) == expected


def test_processes_without_a_gpu_each_are_refused() -> None:
    with pytest.raises(InputError, match=r"training\.processes is 4, each on a GPU of its own, and 2 can be"):
        place_of(3, 4, "auto", 2)
    with pytest.raises(InputError, match=r"device 'cuda:1' is one device, and training\.processes is 4"):
        place_of(0, 4, "cuda:1", 8)


def test_torch_distributed_has_one_door(root: Path) -> None:
    # The import linter knows other people's packages as wholes only.
    doors = ("torch.distributed", "torch.nn.parallel")
    found = {}
    for path in sorted((root / "platform").rglob("*.py")):
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Attribute):
                names.add(ast.unparse(node))
        inside = sorted(name for name in names if name.startswith(doors))
        if inside:
            found[path.name] = inside
    assert list(found) == ["distributed.py"]
