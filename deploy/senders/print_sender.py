"""A sender that prints: `python print_sender.py --brokers HOST:PORT [--redis URL | --table FILE]`; to begin with.

It needs kafka-python, redis for `--redis`, and `once.py` beside it. Put your provider in the place of `send`.
"""

import argparse
import json
import sqlite3
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import CommitFailedError

from once import NotSentError, Once, RedisStore, SqlStore, Store, Verdict

TOPICS = ("triggers.repurchase", "triggers.cart", "triggers.basket")
PAUSE_SECONDS = 1.0

Trigger = dict[str, Any]
"""The JSON value of a message: see README.md, "Run it beside Kafka"."""


def send(trigger: Trigger) -> None:
    """Hand it over to the provider, with the trigger_id as its idempotency key, and a time-out shorter than the lease.

    Raise `NotSentError` where it is certain that nothing went out: no connection, a refusal.
    """
    print(f"{trigger['customer_id']}: {trigger['type']}: {trigger['reason']}", flush=True)


def handle(once: Once, kind: str, trigger: Trigger, send: Callable[[Trigger], None], now: datetime) -> str:
    """What became of one message. `kind`: its ce_type; `now`: when a trigger that has expired is left alone.

    Raises what `send` does; `busy` and `not sent` mean: again in a moment.
    """
    if kind.endswith(".cancelled"):
        return once.cancel(trigger["trigger_id"]).value
    if trigger["holdout"]:  # the share of customers that is left alone to compare with
        return "held out"
    if datetime.fromisoformat(trigger["expires_at"]) <= now:
        return "expired"
    try:
        return once.deliver(trigger["trigger_id"], lambda: send(trigger)).value
    except NotSentError:
        return "not sent"


def work(consumer: Any, once: Once, say: Callable[[str], None]) -> None:
    """Handle what is there, and commit it afterwards: what a crash brings again does no harm."""
    for records in consumer.poll(timeout_ms=500).values():
        for record in records:
            kind, trigger = dict(record.headers)["ce_type"].decode(), json.loads(record.value)
            while (outcome := handle(once, kind, trigger, send, datetime.now(UTC))) in {Verdict.BUSY.value, "not sent"}:
                time.sleep(PAUSE_SECONDS)
            say(f"{kind} {trigger['trigger_id']}: {outcome}")
    try:
        consumer.commit()
    except CommitFailedError:  # another sender has the partition, and reads the same again
        say("partitions were taken away")


def store_of(options: argparse.Namespace) -> Store:
    """Redis, or a table in a file of SQLite."""
    if options.redis:
        from redis import Redis  # noqa: PLC0415 - not needed with a table

        return RedisStore(Redis.from_url(options.redis))
    return SqlStore(sqlite3.connect(options.table))


def main(arguments: Iterable[str] | None = None) -> None:
    """Read until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Print triggers, each once.")
    parser.add_argument("--brokers", default="127.0.0.1:9092", help="host:port, comma separated")
    parser.add_argument("--prefix", default="", help="of the topics (OFFBEAT_PREFIX)")
    parser.add_argument("--group", default="print-sender", help="the consumer group of these senders")
    parser.add_argument("--session", type=int, default=10_000, help="ms until a sender that is gone is replaced")
    parser.add_argument("--redis", help="the URL of a Redis server, or:")
    parser.add_argument("--table", default="sent.db", help="a file of SQLite, for senders on one machine")
    parser.add_argument("--lease", type=float, default=60.0, help="seconds, more than sending one can take")
    parser.add_argument("--verbose", action="store_true", help="say what became of each message")
    options = parser.parse_args(None if arguments is None else list(arguments))
    consumer = KafkaConsumer(
        *(options.prefix + topic for topic in TOPICS),
        bootstrap_servers=options.brokers.split(","),
        group_id=options.prefix + options.group,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # expires_at keeps what is old from going out
        session_timeout_ms=options.session,
        heartbeat_interval_ms=options.session // 5,
        max_poll_records=100,
    )
    once = Once(store_of(options), options.lease)
    try:
        while True:
            work(consumer, once, partial(print, flush=True) if options.verbose else lambda _said: None)
    except KeyboardInterrupt:
        consumer.close()


if __name__ == "__main__":
    main()
