"""`parameters list`, `parameters show`, `parameters publish FILE` and `parameters use VERSION`."""

from typing import TYPE_CHECKING

import click

from agents.decisions import iso
from streams.commands.broken import one_line
from streams.commands.options import with_settings
from streams.commands.output import failure, hush, show_json, show_rows
from streams.settings import Settings
from tables.parameters import ParametersError, dump_parameters, parameters_named

if TYPE_CHECKING:
    from streams.refit.board import Board
    from streams.refit.records import Published, Score


@click.group(no_args_is_help=False)
def parameters() -> None:
    """Show and choose the population parameters that all workers go by."""
    hush()


@parameters.command("list", short_help="What was published of late, and how the last refit ended.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_settings("brokers", "prefix")
def list_(settings: Settings, as_json: bool) -> None:
    """What was published of late, the newest first: that is in force. And how the last refit ended."""
    board = _board(settings)
    rows = [_row(one) for one in board.former()]
    if as_json:
        tried = board.tried
        last = tried and {
            "outcome": tried.outcome,
            "ended_at": iso(tried.ended_at),
            "why": tried.why,
            "failures": tried.failures,
            "by": tried.by,
        }
        show_json({"published": rows, "last_refit": last})
        return
    if not rows:
        click.echo("nothing is published: workers go by the parameters that they start with")
    columns = ("version", "published_at", "way", "by", "why")
    show_rows(columns, [[str(row[column]) for column in columns] for row in rows])
    if board.tried is not None:
        click.echo(f"last refit, {iso(board.tried.ended_at)}: {board.tried.outcome}: {board.tried.why}")


@parameters.command(short_help="Print published parameters, as a file of them.")
@click.argument("version", required=False)
@with_settings("brokers", "prefix")
def show(settings: Settings, version: str | None) -> None:
    """Print published parameters, those in force or of a VERSION, as a parameters file."""
    click.echo(dump_parameters(_named(_board(settings), version).content).decode(), nl=False)


@parameters.command(short_help="Publish the parameters of a FILE.")
@click.argument("file", type=click.Path())
@with_settings("brokers", "prefix")
def publish(settings: Settings, file: str) -> None:
    """Publish the parameters of a FILE, or `builtin`: workers go by them within a second."""
    try:
        given = parameters_named(file)
    except ParametersError as error:
        raise failure(str(error), 2) from None
    from streams.refit.hand import publish as put  # noqa: PLC0415 - aiokafka takes its time

    with one_line(settings):
        put(settings, given, f"from {file}")
    click.echo(f"{given.version} is in force")


@parameters.command(short_help="Go back to a former VERSION.")
@click.argument("version")
@with_settings("brokers", "prefix")
def use(settings: Settings, version: str) -> None:
    """Publish a former VERSION again (`parameters list` has them)."""
    from streams.refit.hand import publish as put  # noqa: PLC0415 - aiokafka takes its time

    found = _named(_board(settings), version)
    with one_line(settings):
        put(settings, found.content, f"again, as published {iso(found.published_at)}")
    click.echo(f"{version} is in force")


def _board(settings: Settings) -> "Board":
    from streams.refit.hand import read_board  # noqa: PLC0415 - aiokafka takes its time

    with one_line(settings):
        return read_board(settings)


def _named(board: "Board", version: str | None) -> "Published":
    found = board.in_force if version is None else board.named(version)
    if found is not None:
        return found
    known = ", ".join(dict.fromkeys(one.content.version for one in board.former()))
    raise failure(f"{version} is not published; there are: {known}" if known else "nothing is published yet", 2)


def _row(one: "Published") -> dict[str, object]:
    return {
        "version": one.content.version,
        "published_at": iso(one.published_at),
        "way": one.way,
        "by": one.by,
        "why": one.why,
        "before": _figures(one.before),
        "after": _figures(one.after),
    }


def _figures(score: "Score | None") -> dict[str, object] | None:
    if score is None:
        return None
    return {"gaps": score.gaps, "ln_likelihood": score.ln_likelihood, "coverage": score.by_window}
