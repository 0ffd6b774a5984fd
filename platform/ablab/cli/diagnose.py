"""``ablab diagnose``: what happened inside a network, and whether a change was real."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from ablab.cli.options import json_option, print_json
from ablab.paths import Paths

_Draw = Callable[[Path], tuple[Path, ...]]
_Attach = Callable[[tuple[Path, ...]], str | None]


@click.command(epilog="Example: ablab diagnose 3f9c21 --out plots")
@click.argument("target")
@click.option("--cell", metavar="CELL", help="Of a study: judge this cell (id or label) ...")
@click.option("--against", metavar="CELL", help="... against this one.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Write the plots (PNG) there.")
@json_option
def diagnose(target: str, cell: str | None, against: str | None, out: Path | None, as_json: bool) -> None:
    """Look inside TARGET: a run (id, or 6 or more of its key's digits), a checkpoint file, or a study.

    Of a run or a checkpoint: a table per layer group with the guide's thresholds beside it, and the guide's
    checklist. That is never a verdict. The plots are kept with the run, or with the study, as well.

    Of a study: verdicts on one of its cells against another, by default on its declared contrast. REAL,
    COSMETIC, MOVED, NOT USED or UNRESOLVED, per layer group, with the evidence.

    \b
    Examples:
      ablab diagnose 3f9c21
      ablab diagnose mlruns/artifacts/best.pt --out plots
      ablab diagnose quickstart --cell "gated · mlp · gs2" --against "gated · mlp · gs1"
    """
    from ablab.orchestration.run_diagnosis import is_checkpoint
    from ablab.tracking.open import open_store

    paths = Paths.from_environment()
    if is_checkpoint(target) and cell is None and against is None:
        _checkpoint(Path(target), paths, out, as_json)
        return
    store = open_store(paths)
    if cell is not None or against is not None or target in store.studies():
        from ablab.orchestration.run_diagnosis import attach_to_study, diagnose_study
        from ablab.reporting import diagnosis as text
        from ablab.reporting.diagnosis_plots import draw_study

        report = diagnose_study(target, cell=cell, against=against, paths=paths, store=store)
        if as_json:
            print_json(text.study_object(report))
        else:
            click.echo(text.study_text(report))
        _keep("study", out, lambda to: draw_study(report, to), lambda f: attach_to_study(store, target, f))
        return

    from ablab.orchestration.run_diagnosis import attach, diagnose_run
    from ablab.reporting import diagnosis as text
    from ablab.reporting.diagnosis_plots import draw_run

    state, found = diagnose_run(target, store)
    if as_json:
        print_json(text.run_object(found))
    else:
        click.echo(text.run_text(found))
    _keep("run", out, lambda to: draw_run(found, to), lambda f: attach(store, state.run_id, f))


def _keep(what: str, out: Path | None, draw: _Draw, attach: _Attach) -> None:
    """Draw into ``out``, or nowhere that stays, and keep the plots with the run or the study."""
    with tempfile.TemporaryDirectory() as temporary:
        files = draw(out or Path(temporary))
        problem = attach(files)
    if out is not None:
        _say(files)
    if problem is not None:
        click.echo(f"note: the plots could not be kept with the {what}: {problem}", err=True)
    elif files:
        kept = ", ".join(f"diagnosis/{file.name}" for file in files)
        click.echo(f"kept with the {what}: {kept}", err=True)


def _checkpoint(file: Path, paths: Paths, out: Path | None, as_json: bool) -> None:
    from ablab.orchestration.run_diagnosis import diagnose_checkpoint
    from ablab.reporting import diagnosis as text

    found = diagnose_checkpoint(file, paths)
    if as_json:
        print_json(text.run_object(found))
    else:
        click.echo(text.run_text(found))
    if out is not None:
        from ablab.reporting.diagnosis_plots import draw_run

        _say(draw_run(found, out))


def _say(files: tuple[Path, ...]) -> None:
    for file in files:
        click.echo(f"wrote {file}", err=True)
