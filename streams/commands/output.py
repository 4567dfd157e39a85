"""What commands print: a table on a terminal, plain lines elsewhere, JSON where it is asked for."""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click


def show_json(value: object) -> None:
    """One JSON document on standard output; what a terminal would obey in it is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere a line per row, its cells joined with two spaces and empty ones left out.

    What a terminal would obey instead of showing it is a ? in cells: ids come from the shop.
    """
    from streams.commands.table import print_rows  # noqa: PLC0415 - listings alone have to wait for it

    print_rows(columns, ([printable(cell) for cell in row] for row in rows))


def printable(text: str) -> str:
    """On one line, and nothing in it but what is shown."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def hush() -> None:
    """Keep the Kafka clients' own log, and futures they forget, off standard error: a command says what went wrong."""
    for name in ("kafka", "aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def failure(message: str, status: int) -> click.ClickException:
    """An error that ends the command with one line and this exit status."""
    error = click.ClickException(message)
    error.exit_code = status
    return error


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file takes its name when it is complete, also behind a link; pipes and devices are never replaced."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
