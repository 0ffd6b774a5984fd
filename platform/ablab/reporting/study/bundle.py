"""One folder to send: report, plots, specs, metrics and scores, and a manifest with checksums."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ablab.comparison.study_report import StudyReport
from ablab.reporting import csv as table
from ablab.reporting import json as comparison_json
from ablab.reporting.study.files import CSV, FORMATS, write, write_texts
from ablab.reporting.study.html import style
from ablab.reporting.study.sections import sections
from ablab.reporting.study.summary import summary
from ablab.spec.writing import resolved_yaml

MANIFEST = "manifest.json"


def write_bundle(report: StudyReport, folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Write the report in these formats and all that belongs to it, the manifest last."""
    wanted = tuple(dict.fromkeys((*names, "csv")))
    before = _listed(folder)
    files = [*write(report, folder, wanted), *write_texts(folder, _texts(report))]
    files += write_texts(folder, {MANIFEST: _manifest(report, folder, files)})
    for old in before - set(files):
        old.unlink(missing_ok=True)
    return tuple(files)


def _listed(folder: Path) -> set[Path]:
    """Files of an earlier bundle in this folder, which a new one replaces; empty where there is none."""
    try:
        names = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    inside = folder.resolve()
    return {folder / name for name in names if (folder / name).resolve().is_relative_to(inside)}


def _texts(report: StudyReport) -> dict[str, str]:
    texts = {
        "README.md": _readme(report),
        "comparison.json": f"{json.dumps(comparison_json.as_object(report.comparison), indent=1)}\n",
        "cells.csv": table.render(report.comparison),
        "metrics.csv": _metrics(report),
    }
    if report.mechanism is not None:
        texts["diagnosis.json"] = f"{json.dumps(asdict(report.mechanism), indent=1)}\n"
    if report.findings.recommendation is not None:
        texts["recommended.yaml"] = report.findings.recommendation.spec
    sheet = style("plot.css")
    plots = [summary(report).forest, *(plot for section in sections(report) for plot in section.plots)]
    texts |= {f"plots/{plot.name}.svg": plot.standalone(sheet) for plot in plots}
    seen: dict[str, str] = {}
    for record in report.records:
        seen.setdefault(record.cell, resolved_yaml(record.experiment))
    texts |= {
        f"specs/{number:03}.yaml": f"# cell {cell}\n{text}"
        for number, (cell, text) in enumerate(seen.items())
    }
    return texts


def _metrics(report: StudyReport) -> str:
    """One row per run of any status: identity, state, and the last value of every metric."""
    names = sorted({name for record in report.records for name in record.metrics})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("cell", "seed", "run", "status", "started", "seconds", "error", *names))
    for each in report.records:
        head = (each.cell, each.seed, each.key, each.status, each.started, each.seconds, each.error or "")
        writer.writerow((*head, *(each.metrics.get(name, "") for name in names)))
    return out.getvalue()


def _manifest(report: StudyReport, folder: Path, files: Sequence[Path]) -> str:
    source = report.provenance
    value = {
        "study": report.comparison.study,
        "written": source.written,
        "command": source.command,
        "data_fingerprints": list(source.data_fingerprints),
        "code_fingerprints": list(source.code_fingerprints),
        "origin": {name: list(values) for name, values in source.origin.items()},
        "files": {
            file.relative_to(folder).as_posix(): {
                "bytes": file.stat().st_size,
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            }
            for file in files
        },
    }
    return f"{json.dumps(value, indent=1, ensure_ascii=False)}\n"


def _readme(report: StudyReport) -> str:
    return f"""# Study {report.comparison.study}

{summary(report).answer.sentence}

- {", ".join(FORMATS.values())}: the report, in the formats that were asked for
- {CSV}: every score, one row per cell, seed, subject and metric
- metrics.csv: the last value of every metric, one row per run
- cells.csv, comparison.json: every cell against the reference
- diagnosis.json: verdicts per layer group, where they were measured
- plots/: every plot as SVG
- specs/: the resolved experiment of every cell; recommended.yaml: that of the recommended one
- {MANIFEST}: fingerprints, versions, and the SHA-256 of every file

To make the runs again: `{report.provenance.command}`
"""
