"""The journal as files: what is in it is whole, in order, and of one process."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ablab.paths import Paths
from ablab.tracking import journal as journals
from ablab.tracking.journal import Head, Journal, JournalInUseError, folder, head, undelivered

OF = Head(
    run_id="1f", study="quick", cell="residual=gated", seed=3, key="k" * 32, store="http://localhost:5000"
)


def _rows(journal: Journal) -> list[object]:
    return [row for row, _ in journal.pending() if "head" not in row]


def test_rows_come_out_as_they_were_written_until_they_are_marked(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", OF)
    rows = [{"metrics": [["train/loss", 0.1 + 0.2, 1700000000000, n]]} for n in range(3)]
    for row in rows:
        journal.append(row)
    assert _rows(journal) == rows
    offsets = [offset for _, offset in journal.pending()]
    assert offsets[-1] == journal.size
    journal.mark(offsets[2])
    assert _rows(journal) == rows[2:]
    journal.close()
    assert _rows(Journal(tmp_path / "j")) == rows[2:]
    assert head(tmp_path / "j") == OF


def test_half_a_row_is_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", OF)
    journal.append({"tags": {"a": "1"}})
    journal.close()
    with (tmp_path / "j" / "rows.jsonl").open("ab") as file:
        file.write(b'{"tags": {"b": ')
    again = Journal(tmp_path / "j")
    again.append({"tags": {"c": "3"}})
    assert _rows(again) == [{"tags": {"a": "1"}}, {"tags": {"c": "3"}}]


def test_a_row_that_did_not_fit_on_the_disk_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "j", OF)
    write, budget = os.write, [10]

    def short(descriptor: int, data: bytes) -> int:
        if not budget[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        budget[0] = 0
        return write(descriptor, data[:10])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short)
        with pytest.raises(OSError, match="No space left"):
            journal.append({"tags": {"name": "a long enough value"}})
    journal.append({"tags": {"a": "1"}})
    assert _rows(journal) == [{"tags": {"a": "1"}}]


def test_a_kept_file_is_a_copy(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", OF)
    journal.keep("spec.yaml", lambda place: place.write_text("x: 1"), "")
    journal.keep("spec.yaml", lambda place: place.write_text("x: 2"), "deeper")
    first, second = _rows(journal)
    assert [(row["folder"], (journal.folder / row["file"]).read_text()) for row in (first, second)] == [
        ("", "x: 1"),
        ("deeper", "x: 2"),
    ]


def test_one_process_has_it_and_its_death_frees_it(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "_TRIES", 2)
    place = folder("1f", paths)
    program = (
        "import sys, time; from pathlib import Path; from ablab.tracking.journal import *\n"
        "journal = Journal(Path(sys.argv[1]), Head('1f', 's', 'c', 0, 'k', ''))\n"
        "print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(place)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(JournalInUseError):
            Journal(place)
        assert undelivered(paths) == ()
        other.kill()
        other.wait()
    ((of, found),) = undelivered(paths)
    assert (of.cell, found) == ("c", place)
    Journal(place).remove()
    assert not paths.journals.exists()


def test_what_is_no_journal_is_passed_over(paths: Paths) -> None:
    (paths.journals / "x").mkdir(parents=True)
    (paths.journals / "y").mkdir()
    (paths.journals / "y" / "rows.jsonl").write_text('{"head": {"run_id": "1"')
    Journal(folder("2f", paths), replace(OF, run_id="2f")).close()
    assert [of.run_id for of, _ in undelivered(paths)] == ["2f"]
