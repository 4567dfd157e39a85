"""`replay FILE`."""

import asyncio
import math
import time
from datetime import UTC, datetime

import click

from streams.brokers.topics import BrokerError
from streams.commands import FAILURE, USAGE
from streams.commands.options import with_settings
from streams.commands.output import failure, hush
from streams.commands.progress import Show, progress, tell_rejected
from streams.logs import Log, LogError, read_log
from streams.replay import Progress, ReplayError, ReplayResult, TopicsError
from streams.replay import replay as send
from streams.settings import Settings


class _Speed(click.ParamType):
    name = "FACTOR|max"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """A factor above 0; as fast as it goes is infinite."""
        try:
            speed = math.inf if value == "max" else float(str(value))
        except ValueError:
            speed = math.nan
        if not speed > 0 or (math.isinf(speed) and value != "max"):
            self.fail(f"{value!r} is neither a factor above 0 nor max", param, ctx)
        return speed


@click.command()
@click.argument("file", type=click.Path())
@click.option(
    "--speed",
    type=_Speed(),
    default="max",
    show_default=True,
    help="How many times as fast as the clock event time runs; max: as fast as the brokers take it.",
)
@click.option("--backfill", is_flag=True, help="Mark every event as backfill: it updates state and never fires.")
@click.option(
    "--shift",
    is_flag=True,
    help="Move all times by the same amount: the last event happens now; with --speed 1 the first one does.",
)
@with_settings("brokers", "prefix")
def replay(settings: Settings, file: str, speed: float, backfill: bool, shift: bool) -> None:
    """Send a log to the source topics, in event time.

    FILE holds contract events as JSON lines (.jsonl, .ndjson, .json) or a flat table (.csv, .parquet); .gz and .zst
    too. Order within each topic is kept.
    """
    hush()
    with progress() as show:
        log = _read(file, speed, backfill, shift, show)
        try:
            result = asyncio.run(_send(log, settings, speed, backfill, show))
        except TopicsError as error:
            raise failure(str(error), USAGE) from None
        except (ReplayError, BrokerError, LogError) as error:
            raise failure(str(error), FAILURE) from None
    _tell(log, result, settings)


def _read(file: str, speed: float, backfill: bool, shift: bool, show: Show) -> Log:
    try:
        return read_log(
            file,
            backfill=backfill,
            shift_to=round(time.time() * 1000) if shift else None,
            anchor="first" if speed == 1 else "last",
            on_progress=lambda share: show(share, "checking"),
        )
    except LogError as error:
        raise failure(str(error), USAGE) from None


async def _send(log: Log, settings: Settings, speed: float, backfill: bool, show: Show) -> ReplayResult:
    def tell(so_far: Progress) -> None:
        done = f"{so_far.lines:,} of {log.total:,} events, {_day(so_far.reached)}"
        show(so_far.lines / max(log.total, 1), f"sending, {done}")

    factor = None if math.isinf(speed) else speed
    return await send(log.lines(), settings=settings, speed=factor, backfill=backfill, on_progress=tell)


def _tell(log: Log, result: ReplayResult, settings: Settings) -> None:
    for rejected, who in ((log.rejected, "in the file"), (result.rejected, "by the broker")):
        tell_rejected(rejected, who)
    span = f" from {_day(log.span[0])} to {_day(log.span[1])}" if log.span else ""
    rate = f", {result.lines / result.seconds:,.0f}/s" if result.lines else ""
    late = f", {result.late:,} late" if result.late else ""
    refused = log.rejected.count + result.rejected.count
    click.echo(
        f"sent {result.lines:,} events{span} to {', '.join(settings.sources)} in {result.seconds:.1f} s{rate}"
        f"; {result.marks:,} time marks{late}, {refused:,} rejected"
    )


def _day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d %H:%M}"
