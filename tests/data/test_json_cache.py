"""A cache's file is whole at every moment, whoever writes it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ablab.data.json_cache import read_json, write_json


def test_threads_write_one_file_at_once(tmp_path: Path) -> None:
    file, together = tmp_path / "deep" / "a.json", threading.Barrier(8)

    def write(number: int) -> None:
        for _ in range(50):
            together.wait(30)
            write_json(file, [number] * 100)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert read_json(file) in [[number] * 100 for number in range(8)]
    assert list(file.parent.iterdir()) == [file]
