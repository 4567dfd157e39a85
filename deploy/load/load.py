"""Sends what an invented shop does, until it is stopped: `python load.py [--customers N] [--visits PER_SECOND]`.

It needs Offbeat beside it, and has a worker's settings (OFFBEAT_BROKERS, OFFBEAT_PREFIX, ...). Its customers are called
load-NNNNNN. Started again it sends orders of the same ids as its history, which are known already.
"""

import argparse
import asyncio
import json
import signal
import sys
import threading
import time
from collections.abc import Iterable

from kafka import KafkaProducer
from kafka.errors import KafkaError

from shop import Event, Shop
from streams.brokers.topics import BrokerError
from streams.replay import TopicsError
from streams.replay.sender import partitions_of
from streams.resolve import load_settings
from streams.settings import Settings, SettingsError

TICK_SECONDS = 0.2
ACKNOWLEDGED_SECONDS = 30.0


class Sender:
    """Events to their topics, in order. What is not acknowledged raises KafkaError with the next call."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = KafkaProducer(**settings.client_options(), acks="all", linger_ms=20, compression_type="gzip")
        self._failed: list[BaseException] = []

    def send(self, events: Iterable[Event]) -> int:
        """How many; all are acknowledged when it returns."""
        count = 0
        for event in events:
            value = json.dumps({**event.fields, "occurred_at": event.at}).encode()
            key = event.fields["customer_id"].encode()
            record = self._producer.send(self._settings.topic(event.source), key=key, value=value)
            record.add_errback(self._failed.append)
            count += 1
        self._producer.flush(ACKNOWLEDGED_SECONDS)
        if self._failed:
            raise KafkaError(f"the brokers did not take an event: {self._failed[0]!r}; read their log")
        return count

    def close(self) -> None:
        """What is on its way was acknowledged, or never will be."""
        self._producer.close(timeout=1)


def work(sender: Sender, shop: Shop, visits: float, stop: threading.Event) -> None:
    """The history, then trade by the wall clock, until `stop`."""
    since = round(time.time() * 1000)
    past = sorted(shop.history(since), key=lambda event: event.at)
    print(f"sent a history of {sender.send(past)} orders; trading, {visits:g} visits a second", flush=True)
    while not stop.wait(TICK_SECONDS):
        until = max(since, round(time.time() * 1000))  # a clock that is set back waits until it has caught up
        if until > since:
            sender.send(shop.trade(since, until, visits))
        since = until


def main(arguments: Iterable[str] | None = None) -> int:
    """Until SIGTERM or Ctrl-C; the exit status."""
    parser = argparse.ArgumentParser(description="An invented shop that trades, for demonstrations and tests.")
    parser.add_argument("--customers", type=int, default=10_000, help="how many it has (10000)")
    parser.add_argument("--visits", type=float, default=5.0, help="that begin in a second, on average (5)")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if options.customers < 1 or not options.visits > 0:
        parser.error("--customers and --visits must be above 0")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = load_settings()
        asyncio.run(partitions_of(settings))  # says what is wrong sooner, and better, than a producer does
        sender = Sender(settings)
        try:
            work(sender, Shop(options.customers), options.visits, stop)
        finally:
            sender.close()
    except (SettingsError, TopicsError) as error:
        print(f"load: {error}", file=sys.stderr)
        return 2
    except (BrokerError, KafkaError) as error:
        print(f"load: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
