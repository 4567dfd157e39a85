"""`dead-letters list` and `dead-letters replay`."""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from agents.rulebook.kinds import milliseconds
from streams.commands import FAILURE
from streams.commands.deadletterstext import show_listing, tell, tell_staying
from streams.commands.options import with_settings
from streams.commands.output import failure, hush, show_json
from streams.commands.progress import progress
from streams.deadletters.letter import LETTER_KINDS, Selection, Wanted
from streams.settings import Settings

T = TypeVar("T")


class _Since(click.ParamType):
    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Epoch ms."""
        text = str(value)
        try:
            return round(time.time() * 1000) - milliseconds(text)
        except ValueError:
            pass
        try:
            told = datetime.fromisoformat(text)
            return round((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a time (2026-01-31, 2026-01-31T08:00) nor a duration (2h, 3d)", param, ctx)


def _selecting(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which letters are meant."""
    reason = click.option(
        "--reason", "reasons", type=click.Choice(LETTER_KINDS), multiple=True, help="Only these; may be given again."
    )
    since = click.option(
        "--since",
        type=_Since(),
        help="Refused since then: a date or time (UTC without an offset), or so long ago (2h).",
    )
    return reason(since(command))


@click.group("dead-letters", no_args_is_help=False)
def deadletters() -> None:
    """What was not understood: what there is of it, and sending it back after a fix."""
    hush()


@deadletters.command("list", short_help="Say what there is, by reason and source.")
@_selecting
@click.option("--examples", type=click.IntRange(0, 1000), default=0, metavar="N", help="Show the newest N of each.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_settings("brokers", "prefix")
def list_(settings: Settings, reasons: tuple[str, ...], since: int | None, examples: int, as_json: bool) -> None:
    """Say what there is, by reason, topic and partition that it came from: how many, since when, until when.

    Letters that were sent back are counted, and told of, as long as the topic keeps them.
    """
    from streams.deadletters.run import list_letters  # noqa: PLC0415 - aiokafka takes its time

    partitions = _partitions(settings)
    with progress() as show:
        chosen = Selection(frozenset(reasons), since)
        found = _run(list_letters(settings, partitions, chosen, examples, show), settings)
    if as_json:
        show_json(found.as_json(settings.topic("dead_letters")))
    else:
        show_listing(found)


@deadletters.command(short_help="Send back what would pass now.")
@_selecting
@click.option("--limit", type=click.IntRange(1), metavar="N", help="So many at the most.")
@click.option("--all", "everything", is_flag=True, help="Also what would not pass: for workers of another version.")
@click.option("--dry-run", is_flag=True, help="Only say what would pass now, and why the others would not.")
@click.option("--yes", is_flag=True, help="Send without a question.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_settings("brokers", "prefix", "delivery")
def replay(
    settings: Settings,
    reasons: tuple[str, ...],
    since: int | None,
    limit: int | None,
    everything: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Send letters back to the topic they came from, as they were, into the partition of their customer.

    That is the one they came from, unless there are more partitions now. What would not pass stays, for another time.
    Each is sent once: what has gone is marked in the topic, in the same transaction where the brokers have them, so a
    run that was broken off goes on where it was. The workers must be of this version or a newer one, or they refuse
    what would pass here.
    """
    from streams.deadletters.run import foretell, send_back  # noqa: PLC0415 - aiokafka takes its time

    if not (dry_run or yes or sys.stdin.isatty()):
        raise click.UsageError("nobody can be asked here: say --yes, or --dry-run to see what would be sent")
    partitions = _partitions(settings)
    wanted = Wanted(Selection(frozenset(reasons), since), limit, everything)
    if dry_run or not yes:
        with progress() as show:
            found = _run(foretell(settings, partitions, wanted, show), settings)
        if dry_run or not found.passing:
            tell(found, wanted, sent=not dry_run, as_json=as_json)
            return
        tell_staying(found, err=True)
        if not click.confirm(f"send {found.passing:,} dead letters back?", err=True):
            raise failure("nothing was sent", FAILURE)
    with progress() as show:
        found = _run(send_back(settings, partitions, wanted, show), settings, _GOES_ON)
    tell(found, wanted, sent=True, as_json=as_json)


def _partitions(settings: Settings) -> dict[str, int]:
    """Of each topic that there is."""
    from streams.brokers.topics import BrokerError, look  # noqa: PLC0415 - kafka takes its time

    try:
        found = look(settings).found
    except BrokerError as error:
        raise failure(str(error), FAILURE) from None
    if (name := settings.topic("dead_letters")) not in found:
        raise failure(
            f"no topic {name} at {settings.brokers}, or it may not be seen: see offbeat topics check", FAILURE
        )
    return {topic: told.partitions for topic, told in found.items()}


_GOES_ON = (
    "run it again: it goes on where it was (where brokers have no transactions, set OFFBEAT_DELIVERY=at_least_once, as "
    "for the workers)"
)


def _run(work: Coroutine[Any, Any, T], settings: Settings, advice: str = "run it again") -> T:
    """What it comes to; its errors as one line."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - it takes its time

    from streams.brokers.refusals import refusal  # noqa: PLC0415 - as above
    from streams.errors import FencedError, StopError  # noqa: PLC0415 - as above

    try:
        return asyncio.run(work)
    except StopError as error:
        raise failure(str(error), FAILURE) from None
    except FencedError:
        raise failure("somebody else began to send dead letters back: leave it to them", FAILURE) from None
    except (KafkaError, TimeoutError) as error:
        if (found := refusal(error, settings)) is not None:
            raise failure(found[1], found[0]) from None
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise failure(f"broken off: {why}; {advice}", FAILURE) from None
