from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from ablab.data import fingerprint as module
from ablab.data.fingerprint import FileFacts, folder_fingerprint, read_facts


def _facts(folder: Path, cache: Path | None = None) -> dict[str, FileFacts]:
    return read_facts(folder, sorted(path.name for path in folder.glob("*.npy")), cache)


def test_fingerprint_is_of_names_and_contents_and_not_of_the_place(folder: Path, tmp_path: Path) -> None:
    first = folder_fingerprint(_facts(folder))
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    assert folder_fingerprint(_facts(copy)) == first and len(first) == 32
    name = next(copy.glob("train*eeg.npy"))
    values = np.load(name)
    values[-1, -1] += 1
    np.save(name, values)
    assert folder_fingerprint(_facts(copy)) != first
    shutil.copy(next(folder.glob("train*eeg.npy")), name)
    name.rename(name.with_name(name.name.replace("_-_a_-_", "_-_c_-_")))
    assert folder_fingerprint(_facts(copy)) != first


def test_every_value_counts_in_either_memory_order(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((100, 3)).astype(np.float32)
    for order in ("C", "F"):
        digests = set()
        for index in (None, (0, 0), (99, 2), (50, 1)):
            changed = np.array(values, order=order)
            if index is not None:
                changed[index] += 1
            np.save(tmp_path / "x.npy", changed)
            digests.add(_facts(tmp_path)["x.npy"].digest)
        assert len(digests) == 4


def test_flat_and_column_envelopes_have_one_digest(tmp_path: Path) -> None:
    values = np.arange(50, dtype=np.float32)
    np.save(tmp_path / "flat.npy", values)
    np.save(tmp_path / "column.npy", values[:, None])
    np.save(tmp_path / "fortran.npy", np.asfortranarray(values[:, None]))
    assert len({facts.digest for facts in _facts(tmp_path).values()}) == 1


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_values_and_constant_columns_are_found_across_blocks(
    tmp_path: Path, order: str, bad: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 256)
    values = np.random.default_rng(0).standard_normal((300, 5)).astype(np.float32)
    values[:, 3] = 7.0
    values[211, 1] = bad
    values[290, 4] = bad
    np.save(tmp_path / "x.npy", np.array(values, order=order))  # type: ignore[call-overload]
    facts = _facts(tmp_path)["x.npy"]
    assert (facts.n_bad, facts.first_bad, facts.constant) == (2, (211, 1), (3,))


def test_a_file_is_read_again_only_when_size_or_time_changed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = module._read
    monkeypatch.setattr(module, "_read", lambda path: (read.append(path.name), original(path))[1])
    first = _facts(folder, tmp_path / "cache")
    assert len(read) == 24
    assert _facts(folder, tmp_path / "cache") == first and len(read) == 24
    touched = folder / read[3]
    os.utime(touched, ns=(1, 1))
    assert _facts(folder, tmp_path / "cache") == first and read[24:] == [touched.name]
    # A selection of files does not make the others forgotten.
    read_facts(folder, [read[0]], tmp_path / "cache")
    assert _facts(folder, tmp_path / "cache") == first and len(read) == 25


def test_a_spoilt_cache_is_read_past(folder: Path, tmp_path: Path) -> None:
    first = _facts(folder, tmp_path / "cache")
    (memory,) = (tmp_path / "cache" / "files").iterdir()
    memory.write_text("{half", encoding="utf-8")
    assert _facts(folder, tmp_path / "cache") == first


def test_unreadable_files_say_why(tmp_path: Path) -> None:
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "archive", a=np.zeros(3))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    (tmp_path / "text.npy").write_text("not numpy", encoding="utf-8")
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "cut.npy", np.zeros((100, 4), np.float32))
    os.truncate(tmp_path / "cut.npy", 500)
    faults = {name: facts.error for name, facts in _facts(tmp_path).items()}
    assert "pickled Python objects, which are never loaded" in faults["pickled.npy"]
    assert "an .npz archive named .npy" in faults["archive.npy"]
    assert faults["text.npy"] == "is not an .npy file; save the array with np.save"
    assert faults["empty.npy"] == "the file is empty; write it again"
    assert "cut short" in faults["cut.npy"]
