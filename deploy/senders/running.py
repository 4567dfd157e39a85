"""What a sender is connected to, and how it is run."""

import argparse
import logging
import os
import signal
import sqlite3
import ssl
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import AuthorizationError, KafkaError, TopicAlreadyExistsError

from errors import StopError, UsageError
from figures import Figures, shown
from joining import joining_consumer
from loop import Loop
from message import Message
from moved import Moved
from once import Once, RedisStore, SqlStore, Store
from options import secret
from policy import Policy
from tokens import tokens

TOPICS = ("triggers.repurchase", "triggers.cart", "triggers.basket", "triggers.lifecycle")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
BOOTSTRAP_MS = 5000
"""So long brokers may take to answer at the start."""


def kafka_security(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The worker's variables OFFBEAT_SECURITY_* as arguments of kafka-python's clients. UsageError."""

    def value(name: str) -> str | None:
        return environ.get(f"OFFBEAT_SECURITY_{name}") or None

    protocol = value("PROTOCOL") or "PLAINTEXT"
    if protocol not in PROTOCOLS:
        raise UsageError(f"OFFBEAT_SECURITY_PROTOCOL: give {', '.join(PROTOCOLS)}")
    found: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        try:
            context = ssl.create_default_context(cafile=value("CA"))
            if certificate := value("CERTIFICATE"):
                context.load_cert_chain(certificate, value("KEY"), password="")
        except OSError as error:
            why = getattr(error, "reason", None) or error.strerror
            raise UsageError(f"OFFBEAT_SECURITY_CA, _CERTIFICATE, _KEY: {why}; give readable PEM files") from None
        found["ssl_context"] = context
    if protocol.startswith("SASL"):
        found["sasl_mechanism"] = value("MECHANISM")
        if found["sasl_mechanism"] == "OAUTHBEARER":
            return {**found, "sasl_oauth_token_provider": tokens(environ, found.get("ssl_context"))}
        user, password = value("USER"), secret("OFFBEAT_SECURITY_PASSWORD", environ)
        if found["sasl_mechanism"] not in MECHANISMS or not user or not password:
            raise UsageError(
                f"OFFBEAT_SECURITY_: set MECHANISM ({', '.join(MECHANISMS)}), USER and PASSWORD (or _FILE)"
            )
        found |= {"sasl_plain_username": user, "sasl_plain_password": password}
    return found


def store_of(options: argparse.Namespace) -> Store:
    """Redis, or a table in a file of SQLite; ids of another group are others."""
    if options.redis:
        from redis import Redis  # noqa: PLC0415 - not needed with a table

        return RedisStore(Redis.from_url(options.redis), f"offbeat:once:{options.prefix}{options.group}:")
    store = SqlStore(sqlite3.connect(options.table), f"{options.prefix}{options.group}:")
    store.forget()
    return store


def _store_errors() -> tuple[type[Exception], ...]:
    redis = sys.modules.get("redis")
    return (sqlite3.Error, redis.RedisError) if redis else (sqlite3.Error,)


class DeadLetterTopic:
    """The original key, value and headers, and in further ones where they came from and why: as the worker does it."""

    def __init__(self, topic: str, connection: Mapping[str, Any]) -> None:
        self.topic = topic
        admin = KafkaAdminClient(**connection, bootstrap_timeout_ms=BOOTSTRAP_MS)
        try:
            admin.create_topics({topic: {"num_partitions": 1, "replication_factor": -1}})
        except (TopicAlreadyExistsError, AuthorizationError):
            pass  # who may make no topics has it made
        finally:
            admin.close()
        self._producer = KafkaProducer(**connection, acks="all")

    def add(self, record: Any, reason: str) -> None:
        headers = [
            *record.headers,
            ("offbeat_topic", record.topic.encode()),
            ("offbeat_partition", str(record.partition).encode()),
            ("offbeat_offset", str(record.offset).encode()),
            ("offbeat_reason", reason.encode(errors="replace")),
        ]
        self._producer.send(self.topic, record.value, record.key, headers=headers).get(timeout=60)


def _variable(topic: str) -> str:
    """Where the worker's settings give a topic another name."""
    return f"OFFBEAT_TOPIC_{topic.replace('.', '_').upper()}"


def loop_of(options: argparse.Namespace, send: Callable[[Message], None], *, recalls: bool) -> Loop:
    """A sender that is connected. Raises KafkaError, UsageError, and what the store does."""
    connection = {"bootstrap_servers": options.brokers.split(","), **kafka_security()}
    moved = Moved()
    dead_letters = DeadLetterTopic(options.prefix + options.dead_letters, connection)
    consumer = joining_consumer(
        **connection,
        group_id=options.prefix + options.group,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # expires_at keeps what is old from going out
        allow_auto_create_topics=False,
        session_timeout_ms=round(options.session * 1000),
        heartbeat_interval_ms=round(options.session * 200),
        fetch_max_wait_ms=250,  # see FETCH_MARGIN_SECONDS
        max_poll_records=100,
    )
    topics = [options.prefix + os.environ.get(_variable(topic), topic) for topic in TOPICS]
    # asked first: who joins without knowing them is given nothing until a second join (kafka-python 3.0)
    partitions = {topic: len(consumer.partitions_for_topic(topic) or ()) for topic in topics}
    for topic, count in partitions.items():
        if not count:
            raise UsageError(f"topic {topic} is not there, or not for this user: `offbeat topics create` makes it")
    consumer.subscribe(topics, listener=moved)
    policy = Policy(
        delay=options.delay, held=options.held, attempts=options.attempts, types=options.types, recalls=recalls
    )
    once = Once(store_of(options), options.lease, order=options.order)
    say = partial(print, flush=True) if options.verbose else lambda _said: None
    figures = Figures(options.group, sum(partitions.values()))
    return Loop(consumer, once, send, dead_letters, policy, say, moved=moved, figures=figures)


def run(
    options: argparse.Namespace,
    make: Callable[[argparse.Namespace], Callable[[Message], None]],
    *,
    recalls: bool = False,
) -> int:
    """Send until SIGTERM or Ctrl-C; the exit status. `make` gives what sends one, and may raise UsageError."""
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: stopping.append(got))

    def work() -> None:
        loop = loop_of(options, make(options), recalls=recalls)
        with shown(loop.figures, options.metrics):
            while not stopping:
                loop.turn()
        loop.consumer.close()

    return guarded(work)


def guarded(work: Callable[[], None]) -> int:
    """0: it came to its end; 1: start it again; 2: somebody has to mend what the line says."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it goes on by itself after what it calls errors
    try:
        work()
    except (UsageError, StopError) as error:
        return _fail(2, str(error))
    except (KafkaError, OSError, *_store_errors()) as error:
        name = type(error).__name__
        return _fail(1, str(error) if str(error).startswith(name) else f"{name}: {error}")
    return 0


def _fail(status: int, why: str) -> int:
    print(f"{Path(sys.argv[0]).name}: {' '.join(why.split())}", file=sys.stderr)
    return status
