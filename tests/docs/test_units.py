"""The systemd units of docs/regression.md, as systemd itself reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.pages import ROOT

UNIT = re.compile(r"    # /etc/systemd/system/(\S+)\n((?:    \S.*\n)+)")

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def complaints(folder: Path, **replaced: str) -> list[str]:
    """What ``systemd-analyze verify`` says of the page's units, with the page's folder moved to one here."""
    decoder = folder / "decoder"
    (decoder / ".venv" / "bin").mkdir(parents=True)
    (decoder / ".venv" / "bin" / "ablab").symlink_to(Path(sys.executable).with_name("ablab"))
    units = UNIT.findall((ROOT / "docs" / "regression.md").read_text(encoding="utf-8"))
    assert [name for name, _ in units] == ["ablab-nightly.service", "ablab-nightly.timer"]
    for name, text in units:
        for old, new in {"/srv/decoder": str(decoder), **replaced}.items():
            text = text.replace(old, new)
        (folder / name).write_text("".join(f"{line.strip()}\n" for line in text.splitlines()))
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(folder / name) for name, _ in units)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return [line for line in done.stderr.splitlines() if "ablab-nightly" in line]


def test_systemd_reads_the_units_of_the_page(tmp_path: Path) -> None:
    assert complaints(tmp_path) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("Persistent", "Persistant"), ("01:30:00", "01:70:00"), ("bin/ablab", "bin/alab"), ("oneshot", "once")],
)
def test_a_mistake_in_a_unit_is_noticed(tmp_path: Path, right: str, wrong: str) -> None:
    assert complaints(tmp_path, **{right: wrong}) != []
