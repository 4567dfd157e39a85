"""`make bench`: the worker beside the client's limit and its peers, on the embedded broker and on Apache Kafka."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
import msgspec

from streams.brokers.embedded import BrokerStartError, EmbeddedBroker
from streams.brokers.topics import BrokerError, create
from streams.settings import Settings
from tests.bench.cdnow import backtest_seconds
from tests.bench.load import APART_MS, SEED, Row, standard_load
from tests.bench.measure import Run, limit, run
from tests.bench.peers.catalog import SYSTEMS, Peer, UnknownPeerError, peers_named
from tests.bench.peers.contest import Contest, made
from tests.bench.report import Report, lines_of, machine
from tests.bench.rounds import Side, comparison
from tests.bench.topics import remove_topics
from tests.bench.worker import BenchError, built
from tests.support.brokers import ApacheKafka
from tests.support.maven import available


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to measure, and what of it."""

    name: str
    broker: AbstractContextManager[EmbeddedBroker | ApacheKafka]
    modes: tuple[str, ...]
    session: int
    """Session time-out, ms."""
    peers: list[Peer]
    missing: list[str]
    """Why further peers are left out."""


@dataclass(frozen=True, slots=True)
class _Load:
    events: int
    apart: int
    seed: int
    interpreted: bool
    """Whether the worker runs from its sources."""

    def rows(self, end: int) -> Iterator[Row]:
        """`end`: when the last event is, epoch ms."""
        return standard_load(self.events, end, seed=self.seed, apart=self.apart)


class _Names(click.ParamType):
    """Names of peers, as `--peers` takes them."""

    name = "names"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> list[Peer]:
        """Exit code 2 and one line when there is no such peer."""
        try:
            return list(peers_named(value))
        except UnknownPeerError as error:
            self.fail(str(error), param, ctx)


def _say(text: str) -> None:
    click.echo(f"  {text}", err=True)


def _places(chosen: str, peers: list[Peer]) -> Iterator[_Place]:
    if chosen in ("embedded", "all"):
        yield _Place("embedded broker (Tansu)", EmbeddedBroker(), ("at_least_once",), 1_000, [], [])
    if chosen in ("kafka", "all"):
        if reason := available():
            if chosen == "kafka":
                raise BrokerStartError(reason)
            _say(f"without Apache Kafka: {reason}")
        else:
            kafka = ApacheKafka()
            if peers:
                _say("peers' programs: at first use they are fetched and built")
            found = made(peers)
            yield _Place(f"Apache Kafka {kafka.version}", kafka, ("exactly_once", "at_least_once"), 10_000, *found)


def _measure(place: _Place, load: _Load, rounds: int) -> Side:
    with place.broker as broker:
        settings = Settings(brokers=broker.address, session_timeout=place.session)
        create(settings)
        _say(f"{place.name}: producing {load.events:,} events")
        contest = Contest(broker, settings, place.peers)
        sent = contest.lay(partial(load.rows, round(time.time() * 1000)), load.events)
        modes: dict[str, list[Run]] = {mode: [] for mode in place.modes}
        side = Side(place.name, sent.bytes / sent.events, [], modes, contest.sides, place.missing)
        for number in range(1, rounds + 1):
            side.limits.append(limit(settings, load.events))
            _say(f"round {number}: the client's limit {side.limits[-1].rate:,.0f} events/s")
            for mode in place.modes:
                name = f"{mode.replace('_', '-')}-{number}"
                found = run(
                    replace(settings, delivery=mode),
                    sent,
                    name,
                    recover=number == rounds,
                    interpreted=load.interpreted,
                )
                side.runs[mode].append(found)
                _say(f"round {number}: {mode} {found.rate:,.0f} events/s")
                if isinstance(broker, ApacheKafka):
                    remove_topics(broker.address, name)
            for name, rate in contest.run(number):
                _say(f"round {number}: {name} {rate:,.0f} events/s")
    return side


def _backtest() -> float | None:
    try:
        return backtest_seconds()
    except BenchError as error:
        _say(f"without the CDNOW log: {error}")
        return None


@click.command()
@click.option("--events", type=click.IntRange(1_000), default=1_000_000, show_default=True, help="Size of the load.")
@click.option(
    "--apart",
    type=click.IntRange(1),
    default=APART_MS,
    show_default=True,
    help="Ms of event time between two events: 5 makes a million 83 minutes, 50 makes it 14 hours.",
)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="How often each is measured.")
@click.option("--broker", type=click.Choice(["embedded", "kafka", "all"]), default="all", show_default=True)
@click.option(
    "--peers",
    type=_Names(),
    default="all",
    show_default=True,
    help=f"Measured beside it on Apache Kafka: all, none, or of {', '.join(SYSTEMS)}, between commas.",
)
@click.option("--seed", default=SEED, show_default=True, help="Another seed gives other events.")
@click.option("--interpreted", is_flag=True, help="The worker from its sources, not compiled as in an image.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write every round here, too.")
def bench(
    events: int,
    apart: int,
    rounds: int,
    broker: str,
    peers: list[Peer],
    seed: int,
    interpreted: bool,
    file: Path | None,
) -> None:
    """Measure the worker beside the client's limit and its peers, over the same log, in turn."""
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    where = machine()  # first: it tells how busy the machine was before
    where["worker"] = built(interpreted=interpreted)
    try:
        load = _Load(events, apart, seed, interpreted)
        sides = [_measure(place, load, rounds) for place in _places(broker, peers)]
    except (BenchError, BrokerError, BrokerStartError) as error:
        click.echo(f"bench: {error}", err=True)
        sys.exit(1)
    compared = [line for side in sides if side.peers for line in comparison(side)]
    report = Report(where, events, sides, _backtest(), compared)
    click.echo("\n".join(lines_of(report)))
    if file is not None:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


if __name__ == "__main__":
    bench()
