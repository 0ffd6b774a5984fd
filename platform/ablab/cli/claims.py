"""``ablab claims``: what a paper, README or guide claims, checked against its own numbers and your runs."""

from __future__ import annotations

from pathlib import Path

import click

from ablab.cli.options import SPEC_FILE, json_option, print_json


@click.group()
def claims() -> None:
    """Check what a paper or guide claims."""


@claims.command()
@click.argument("file", type=SPEC_FILE)
@click.option("--study", metavar="STUDY", help="Check against the runs of this study too.")
@json_option
def check(file: Path, study: str | None, as_json: bool) -> None:
    """Give a verdict on every claim in FILE.

    Arithmetic and parameter counts are checked without any run. With --study the other claims are held
    against the study's runs: CONFIRMED, DIRECTION ONLY, REFUTED, INCONCLUSIVE or NOT TESTABLE, with evidence.

    \b
    Examples:
      ablab claims check ablations/claims/conformer_v2_guide.yaml
      ablab claims check ablations/claims/conformer_v2_guide.yaml --study quickstart
    """
    from ablab.reporting import claims as text
    from ablab.spec.claims_file import load_claims

    ledger = load_claims(file)
    if study is None:
        from ablab.comparison.claims import check_claims

        report = check_claims(ledger)
    else:
        from ablab.orchestration.study_claims import claims_of_study
        from ablab.paths import Paths
        from ablab.tracking.open import open_store

        paths = Paths.from_environment()
        report = claims_of_study(ledger, study, paths=paths, store=open_store(paths))
    if as_json:
        print_json(text.claims_object(report))
    else:
        click.echo(text.claims_text(report))


@claims.command("new")
@click.argument("name")
@click.option(
    "--out", default="ablations/claims", show_default=True, type=SPEC_FILE, help="Folder to write to."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def new(name: str, out: Path, force: bool) -> None:
    """Write ablations/claims/NAME.yaml: one example of every kind of claim, to be written over.

    \b
    Example:
      ablab claims new my_paper
    """
    from ablab.spec.authoring import new_claims

    click.echo(new_claims(name, out, force=force))
