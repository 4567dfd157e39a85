"""`make soak`: load for an hour, with restarts of everything, and whether that left any trace."""

import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from streams.brokers.embedded import BrokerStartError
from tests.chaos.world import plain_world
from tests.soak.capacity import measure
from tests.soak.report import as_json, failures, table
from tests.soak.restarts import Bounds
from tests.soak.run import Outcome, Plan, soak
from tests.soak.shop import Shop
from tests.support.redis_server import RedisServer, program

WORKERS = 2
PROPERTIES = {
    # a disk is not to fill: what is read may go, and what a key has had before is cleaned away
    "log.segment.bytes": str(32 << 20),
    "log.retention.bytes": str(256 << 20),
    "log.retention.check.interval.ms": "30000",
}
_BURST = 40_000
"""Lines by which capacity is measured."""


def _say(text: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)


@click.command(name="soak")
@click.option("--minutes", type=click.FloatRange(0.2), default=60.0, show_default=True, help="How long events flow.")
@click.option("--rate", type=click.FloatRange(10), help="Events in a second; else a share of what is measured first.")
@click.option("--share", type=click.FloatRange(0.01, 1), default=0.6, show_default=True, help="Of the capacity.")
@click.option("--customers", type=click.IntRange(100), default=2000, show_default=True)
@click.option("--partitions", type=click.IntRange(1), default=4, show_default=True)
@click.option("--brokers", type=click.Choice(["1", "3"]), default="3", show_default=True)
@click.option("--session", type=click.FloatRange(1), default=6.0, show_default=True, help="Session time-out, seconds.")
@click.option("--lag", type=click.FloatRange(0.5), default=3.0, show_default=True, help="Bound of the lag, seconds.")
@click.option(
    "--back", type=click.FloatRange(1), default=60.0, show_default=True, help="Until it is kept again, seconds."
)
@click.option("--growth", type=click.FloatRange(0), default=5.0, show_default=True, help="Bound of memory, per cent.")
@click.option("--seed", default=1, show_default=True, help="Of what customers do.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write what came out here, too.")
def main(
    minutes: float,
    rate: float | None,
    share: float,
    customers: int,
    partitions: int,
    brokers: str,
    session: float,
    lag: float,
    back: float,
    growth: float,
    seed: int,
    file: Path | None,
) -> None:
    """Let two workers work for long, restart everything in turn, and exit 0 when nothing shows of it."""
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="offbeat-soak-"))
    try:
        with (
            _views() as redis,
            plain_world(folder, workers=WORKERS, brokers=int(brokers), properties=PROPERTIES) as world,
        ):
            plan = Plan(
                minutes * 60, rate or 1.0, customers, seed, partitions, session, redis, Bounds(lag, back, growth / 100)
            )
            capacity = None
            if rate is None:
                capacity = measure(world, Shop(seed, customers, 4 * _BURST), _BURST, **plan.settings)
                _say(f"capacity: {capacity:.0f} events in a second")
                plan = replace(plan, rate=share * capacity)
            views = "on" if redis else "off"
            _say(f"{plan.rate:.0f} events in a second for {minutes:g} minutes; views in Redis: {views}")
            outcome = soak(world, plan, _say)
    except (BrokerStartError, RuntimeError) as error:
        _say(f"given up: {error}; what workers said is in {folder}")
        sys.exit(1)
    sys.exit(_tell(outcome, capacity, folder, file))


@contextmanager
def _views() -> Iterator[str]:
    """The URL of OFFBEAT_REDIS, or of a server of our own; empty where there is neither."""
    if told := os.environ.get("OFFBEAT_REDIS"):
        yield told
    elif program() is None:
        yield ""
    else:
        with RedisServer() as server:
            yield server.url


def _tell(outcome: Outcome, capacity: float | None, folder: Path, file: Path | None) -> int:
    """The exit status."""
    click.echo("\n".join(table(outcome)))
    wrong = failures(outcome)
    if file is not None:
        file.write_text(json.dumps(as_json(outcome, capacity), indent=1) + "\n")
    for line in wrong:
        click.echo(f"NOT SO: {line}", err=True)
    if not wrong:
        shutil.rmtree(folder)
        return 0
    (folder / "wrong.txt").write_text("\n".join([*wrong, *outcome.verdict.examples]) + "\n")
    _say(f"what workers said, and what is wrong, is in {folder}")
    return 1


if __name__ == "__main__":
    main()
