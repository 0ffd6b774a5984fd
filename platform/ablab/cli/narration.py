"""What the library logs while it works, on stderr, for commands that may take a while."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click


class _Stderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage(), err=True)


@contextmanager
def narrated(name: str = "ablab") -> Iterator[None]:
    """Within the block, what the logger ``name`` is told is printed to stderr."""
    logger, handler = logging.getLogger(name), _Stderr(logging.INFO)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
