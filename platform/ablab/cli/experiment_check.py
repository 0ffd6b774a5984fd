"""``ablab experiment check``: the checklist before a long training."""

from __future__ import annotations

from pathlib import Path

import click

from ablab.cli.options import SPEC_FILE, json_option, print_json, print_notices, set_option


@click.command()
@click.argument("file", type=SPEC_FILE)
@set_option
@json_option
def check(file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print what FILE would train, as facts: model, toggles, scale, diagnosis, data, steps.

    Nothing is trained, and nothing is judged: "no" stands where something is missing.

    \b
    Examples:
      ablab experiment check experiments/quickstart.yaml
      ablab experiment check experiments/quickstart.yaml --set improvements.residual=gated --json
    """
    from ablab.spec.load import load_experiment

    loaded = load_experiment(file, overrides)
    print_notices(loaded.notices)
    from ablab.orchestration.preflight import preflight
    from ablab.paths import Paths

    facts = preflight(loaded.experiment, Paths.from_environment())
    if as_json:
        rows = [{"name": fact.name, "text": fact.text, "state": fact.state} for fact in facts]
        print_json({"experiment": loaded.experiment.name, "facts": rows})
        return
    click.echo(f"{loaded.experiment.name}   {file}")
    for fact in facts:
        state = "" if fact.state == "yes" else f"{fact.state.upper()}  "
        click.echo(f"  {fact.name:15} {state}{fact.text}")
