"""``ablab ui`` and ``ablab tensorboard``: look at what was recorded, in a browser."""

from __future__ import annotations

import click

from ablab.paths import Paths

_PORT = click.IntRange(1, 65535)


@click.command()
@click.option("--port", type=_PORT, default=5000, show_default=True, help="Port on this machine's loopback.")
@click.pass_context
def ui(context: click.Context, port: int) -> None:
    """Open MLflow's UI on the runs recorded here, until Ctrl-C.

    Filter runs with tags.residual = 'gated', group them by the tag cell. Where MLFLOW_TRACKING_URI names a
    server, its address is printed and nothing is started.
    """
    from ablab.tracking.serving import serve_mlflow

    context.exit(serve_mlflow(Paths.from_environment(), port, _announce))


@click.command()
@click.option("--port", type=_PORT, default=6006, show_default=True, help="Port on this machine's loopback.")
@click.option("--study", metavar="STUDY", help="Show one study instead of all.")
@click.pass_context
def tensorboard(context: click.Context, port: int, study: str | None) -> None:
    """Open TensorBoard on the curves and histograms recorded here, until Ctrl-C."""
    from ablab.tracking.serving import serve_tensorboard

    def announce(address: str) -> None:
        _announce(address)
        click.echo(f"the guide's four views: {address}/#custom_scalars", err=True)

    context.exit(serve_tensorboard(Paths.from_environment(), port, study, announce))


def _announce(address: str) -> None:
    click.echo(address)
    click.echo("Ctrl-C ends it", err=True)
