from __future__ import annotations

import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.comparison.made_up import LEVELS, additive, table
from tests.comparison.study import FULL, ORIGINAL
from tests.reporting.study.made import report_of

from ablab.errors import InputError
from ablab.reporting.study.bundle import write_bundle
from ablab.reporting.study.files import formats, write
from ablab.spec.load import load_experiment


def test_a_bundle_is_whole_and_its_manifest_true(tmp_path: Path) -> None:
    report = report_of(table(additive, n_subjects=4), levels=LEVELS)
    files = write_bundle(report, tmp_path, ("html",))
    there = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()}
    assert {file.relative_to(tmp_path).as_posix() for file in files} == there
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["files"]) == there - {"manifest.json"}
    for name, facts in manifest["files"].items():
        content = (tmp_path / name).read_bytes()
        assert facts == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert {"report.html", "scores.csv", "metrics.csv", "cells.csv", "comparison.json", "README.md"} <= there
    assert manifest["command"] == "ablab grid run ablations/made_up.yaml"


def test_its_specs_load_and_its_plots_are_drawings(tmp_path: Path) -> None:
    report = report_of(table(additive, n_subjects=4), levels=LEVELS)
    write_bundle(report, tmp_path, ("html",))
    specs = sorted((tmp_path / "specs").glob("*.yaml"))
    assert len(specs) == 12
    loaded = {load_experiment(file).experiment.improvements for file in specs}
    assert loaded == {record.experiment.improvements for record in report.records}
    assert load_experiment(tmp_path / "recommended.yaml").experiment.name == "made_up_recommended"
    plots = sorted((tmp_path / "plots").glob("*.svg"))
    assert {plot.stem for plot in plots} >= {"forest", "effects", "shapley", "subjects", "curves", "seeds"}
    for plot in plots:
        drawing = ElementTree.parse(plot).getroot()
        assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
        assert "--ink" in drawing.find("{http://www.w3.org/2000/svg}style").text


def test_a_second_bundle_leaves_nothing_of_the_first_but_what_is_not_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    write_bundle(report_of(table(additive, n_subjects=3), levels=LEVELS), folder, ("html", "md"))
    (folder / "notes.txt").write_text("mine")
    (tmp_path / "outside.txt").write_text("not to be touched")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["../outside.txt"] = {}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    two = [record for record in table(additive, n_subjects=3) if record.cell in (ORIGINAL, FULL)]
    files = write_bundle(report_of(two), folder, ("html",))
    there = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert there == {file.relative_to(folder).as_posix() for file in files} | {"notes.txt"}
    assert (tmp_path / "outside.txt").is_file()


def test_writing_again_replaces_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    report = report_of(table(additive, n_subjects=3))
    (first,) = write(report, tmp_path, ("md",))
    first.write_text("old")
    (again,) = write(report, tmp_path, ("md",))
    assert again.read_text(encoding="utf-8").startswith("## ")
    assert [file.name for file in tmp_path.iterdir()] == ["report.md"]


def test_formats_are_named_or_refused() -> None:
    assert formats("html, csv,html") == ("html", "csv")
    with pytest.raises(
        InputError, match=r"--format: no format 'pdf' \(there are: html, md, tex, csv; several"
    ):
        formats("html,pdf")
    with pytest.raises(InputError, match="--format: names no format"):
        formats(" , ")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text("a file")
    with pytest.raises(InputError, match=r"report: the report cannot be written there \(.*\)"):
        write(report_of(table(additive, n_subjects=3)), file, ("md",))
