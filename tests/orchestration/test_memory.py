"""The memory as control groups of both versions and the machine tell it."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from ablab.orchestration.memory import Memory, look

TOTAL = psutil.virtual_memory().total


def _machine(root: Path, cgroup: str, files: dict[str, str]) -> Path:
    for name, text in {"proc/self/cgroup": cgroup, "proc/vmstat": "nr_x 1\noom_kill 9\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("", {}, Memory(9, TOTAL, is_limited=False)),
        (
            "0::/job/7\n",
            {
                "sys/fs/cgroup/job/7/memory.events": "low 0\noom 2\noom_kill 2\noom_group_kill 0\n",
                "sys/fs/cgroup/job/7/memory.max": "1073741824\n",
            },
            Memory(2, 2**30, is_limited=True),
        ),
        ("0::/\n", {"sys/fs/cgroup/memory.max": "max\n"}, Memory(9, TOTAL, is_limited=False)),
        (
            "8:pids:/\n4:cpu,memory:/job\n",
            {
                "sys/fs/cgroup/memory/job/memory.oom_control": "under_oom 0\noom_kill 1\n",
                "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "1073741824\n",
            },
            Memory(1, 2**30, is_limited=True),
        ),
        (
            "4:memory:/\n",
            {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"},
            Memory(9, TOTAL, is_limited=False),
        ),
    ],
)
def test_limit_and_kills_of_a_made_up_machine(
    tmp_path: Path, cgroup: str, files: dict[str, str], expected: Memory
) -> None:
    assert look(_machine(tmp_path, cgroup, files)) == expected


def test_this_machine() -> None:
    here = look()
    assert 0 < here.limit_bytes <= TOTAL and here.kills >= 0
    assert str(Memory(0, 2**34, is_limited=False)) == "16.0 GiB of this machine"
