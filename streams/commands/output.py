"""What commands print: a table on a terminal, plain lines elsewhere, JSON where it is asked for."""

import json
import logging
from collections.abc import Iterable, Sequence

import click

_STYLES = {"ok": "green", "FAILED": "bold red", "must": "bold red", "note": "yellow"}
"""Of cells that say how it stands."""


def show_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere a line per row, its cells joined with two spaces and empty ones left out."""
    from rich.console import Console  # noqa: PLC0415 - it takes as long as the rest

    console = Console()  # it knows NO_COLOR
    if not console.is_terminal:
        for row in rows:
            click.echo("  ".join(cell for cell in row if cell))
        return
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    console.print(table)


def hush() -> None:
    """Keep the Kafka clients' own log off standard error: a command says itself what went wrong."""
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def failure(message: str, status: int) -> click.ClickException:
    """An error that ends the command with one line and this exit status."""
    error = click.ClickException(message)
    error.exit_code = status
    return error
