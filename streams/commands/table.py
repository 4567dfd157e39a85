"""Rows as a table on a terminal, as plain lines elsewhere. Importing this takes as long as the rest of a command."""

from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_STYLES = {"ok": "green", "FAILED": "bold red", "must": "bold red", "note": "yellow"}
"""Of cells that say how it stands."""


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """As `output.show_rows`."""
    console = Console()  # it knows NO_COLOR
    if not console.is_terminal:
        for row in rows:
            click.echo("  ".join(cell for cell in row if cell))
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    console.print(table)
