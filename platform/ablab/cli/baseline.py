"""``ablab baseline``: the linear decoder that a network has to beat."""

from __future__ import annotations

from pathlib import Path

import click

from ablab.cli.narration import narrated
from ablab.cli.options import SPEC_FILE, experiment_set_option, json_option, print_json, print_notices


@click.group()
def baseline() -> None:
    """Fit the linear model that a network has to beat."""


@baseline.command()
@click.argument("experiment", type=SPEC_FILE)
@experiment_set_option
@json_option
def run(experiment: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Fit and score the ridge decoder on the data of EXPERIMENT.

    One decoder per subject, lags 0 to 406 ms, penalty chosen on validation, scored on test as networks are.
    The result is kept, so that comparisons can show it.

    \b
    Examples:
      ablab baseline run experiments/quickstart.yaml
      ablab baseline run experiments/original.yaml --set dataset.path=data/split_data --json
    """
    from ablab.spec.load import load_experiment

    loaded = load_experiment(experiment, overrides)
    print_notices(loaded.notices)
    from ablab.baselines.cache import floor
    from ablab.data.datasets import summary
    from ablab.paths import Paths

    paths = Paths.from_environment()
    spec = loaded.experiment
    with narrated():
        print_notices(summary(spec.dataset, paths).notices)
        result = floor(spec.dataset, spec.evaluation, paths, compute=True, said=_say)
    assert result is not None
    if as_json:
        print_json(
            {
                "test_pearson": result.test_pearson,
                "per_subject": result.per_subject,
                "chance_p95": result.chance_p95,
                "lambdas": result.lambdas,
            }
        )
        return
    click.echo(f"{'subject':<16}{'test r':>8}{'lambda':>10}")
    for subject, r in result.per_subject.items():
        click.echo(f"{subject:<16}{r:>8.3f}{result.lambdas[subject]:>10.3g}")
    click.echo(f"{'mean':<16}{result.test_pearson:>8.3f}")
    click.echo(f"{'chance, 95th pct':<16}{result.chance_p95:>8.3f}")


def _say(subject: str, r: float) -> None:
    click.echo(f"ridge {subject}: test r {r:.3f}", err=True)
