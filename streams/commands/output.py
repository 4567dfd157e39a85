"""What commands print: a table on a terminal, plain lines elsewhere, JSON where it is asked for."""

import json
import logging
from collections.abc import Iterable, Sequence

import click


def show_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere a line per row, its cells joined with two spaces and empty ones left out."""
    from streams.commands.table import print_rows  # noqa: PLC0415 - listings alone have to wait for it

    print_rows(columns, rows)


def hush() -> None:
    """Keep the Kafka clients' own log off standard error: a command says itself what went wrong."""
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def failure(message: str, status: int) -> click.ClickException:
    """An error that ends the command with one line and this exit status."""
    error = click.ClickException(message)
    error.exit_code = status
    return error
