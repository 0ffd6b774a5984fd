"""``ablab logs``: the log of one run."""

from __future__ import annotations

import click


@click.command(epilog="Example: ablab logs 3f9c21")
@click.argument("key")
def logs(key: str) -> None:
    """Print the log of the run KEY: a run id, or 6 or more of its key's first digits.

    A run that trains shows what it has written so far; a failed one its traceback as well.
    """
    from ablab.orchestration.log_of_run import log_of_run
    from ablab.paths import Paths
    from ablab.tracking.open import open_store

    paths = Paths.from_environment()
    state, text = log_of_run(key, paths=paths, store=open_store(paths))
    click.echo(f"{state.cell} seed {state.seed}: {state.status}, run {state.run_id}", err=True)
    click.echo(text)
