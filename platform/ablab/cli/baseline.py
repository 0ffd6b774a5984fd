"""``ablab baseline``: the linear decoder that a network has to beat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ablab.cli.narration import narrated
from ablab.cli.options import SPEC_FILE, experiment_set_option, json_option, print_json, print_notices

if TYPE_CHECKING:
    from ablab.baselines.backward import Scope

_SCOPES = ("per_subject", "pooled", "leave_one_subject_out")


@click.group()
def baseline() -> None:
    """Fit the linear model that a network has to beat."""


@baseline.command()
@click.argument("experiment", type=SPEC_FILE)
@click.option(
    "--scope",
    type=click.Choice(_SCOPES),
    default="per_subject",
    show_default=True,
    help="Whom a model learns from: the subject alone, all, or all others.",
)
@experiment_set_option
@json_option
def run(experiment: Path, scope: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Fit and score the ridge decoder on the data of EXPERIMENT.

    Lags 0 to 406 ms, penalty chosen on validation, scored on test as networks are. The result is kept, so
    that comparisons can show that of --scope per_subject, and recorded as a run in MLflow (role baseline).

    \b
    Examples:
      ablab baseline run experiments/quickstart.yaml
      ablab baseline run experiments/quickstart.yaml --scope leave_one_subject_out
      ablab baseline run experiments/original.yaml --set dataset.path=data/split_data --json
    """
    from ablab.spec.load import load_experiment

    loaded = load_experiment(experiment, overrides)
    print_notices(loaded.notices)
    from ablab.data.datasets import summary
    from ablab.orchestration.baseline import run_baseline
    from ablab.paths import Paths
    from ablab.tracking.open import open_store

    paths = Paths.from_environment()
    with narrated():
        print_notices(summary(loaded.experiment.dataset, paths).notices)
        result, run_id = run_baseline(
            loaded.experiment, cast("Scope", scope), paths=paths, store=open_store(paths), said=_say
        )
    if as_json:
        print_json(
            {
                "scope": result.scope,
                "test_pearson": result.test_pearson,
                "per_subject": result.per_subject,
                "chance_p95": result.chance_p95,
                "chance_p": result.chance_p,
                "chance_by_subject": {
                    score.subject: {"p95": score.chance_p95, "p": score.chance_p} for score in result.subjects
                },
                "lambdas": result.lambdas,
                "run_id": run_id,
            }
        )
        return
    click.echo(f"{'subject':<16}{'test r':>8}{'chance':>8}{'p':>8}{'lambda':>10}")
    for score in result.subjects:
        click.echo(
            f"{score.subject:<16}{score.test:>8.3f}{score.chance_p95:>8.3f}{_p(score.chance_p):>8}"
            f"{result.lambdas[score.subject]:>10.3g}"
        )
    click.echo(f"{'mean':<16}{result.test_pearson:>8.3f}{result.chance_p95:>8.3f}{_p(result.chance_p):>8}")
    click.echo("chance: 95th percentile under circular shifts of the envelope")


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _say(subject: str, r: float) -> None:
    click.echo(f"ridge {subject}: test r {r:.3f}", err=True)
