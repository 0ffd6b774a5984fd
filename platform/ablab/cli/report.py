"""``ablab report``: a study's argument as files for people."""

from __future__ import annotations

from pathlib import Path

import click

from ablab.cli.options import json_option, print_json


@click.command(epilog="Example: ablab report quickstart --out report --format html,tex")
@click.argument("study", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write there; by default reports/STUDY in the state root.",
)
@click.option(
    "--format",
    "form",
    metavar="NAMES",
    default="html,md,tex,csv",
    show_default=True,
    help="Which files, with commas between: html, md, tex, csv.",
)
@click.option(
    "--claims",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Hold the study against this ledger of claims; by default the one that its grid names.",
)
@click.option("--bundle", is_flag=True, help="Add specs, plots, metrics and a manifest: one folder to send.")
@json_option
def report(
    study: str | None, out: Path | None, form: str, claims: Path | None, bundle: bool, as_json: bool
) -> None:
    """Write the report of STUDY; without STUDY, of the latest study.

    One HTML page that needs no network, a Markdown text for a pull request, LaTeX tables for a paper, and all
    scores as tidy CSV. The files are kept with the study in the tracking store as well.
    """
    from ablab.orchestration.study_report import keep, report_study
    from ablab.paths import Paths
    from ablab.reporting.study.files import formats, write
    from ablab.tracking.lookup import latest
    from ablab.tracking.open import open_store

    names = formats(form)
    paths = Paths.from_environment()
    store = open_store(paths)
    study = study or latest(store)
    found = report_study(study, paths=paths, store=store, claims=claims)
    folder = out or paths.report(study)
    if bundle:
        from ablab.reporting.study.bundle import write_bundle

        files = write_bundle(found, folder, names)
    else:
        files = write(found, folder, names)
    problem = keep(store, study, folder, files)
    if problem is not None:
        click.echo(f"note: the report could not be kept with the study: {problem}", err=True)
    if as_json:
        from ablab.reporting.study.answer import answer

        said = answer(found)
        print_json(
            {
                "study": study,
                "answer": said.sentence,
                "remarks": list(said.remarks),
                "files": [str(file) for file in files],
                "kept": problem is None,
            }
        )
    else:
        click.echo("\n".join(str(file) for file in files))
