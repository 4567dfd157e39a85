"""The example sender: what it does with each kind of message, and that killing it sends nothing twice."""

import os
import sqlite3
import subprocess
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import print_sender
from agents.decisions import Cancellation, Decision, RuleRef, Trigger, cancel, trigger_id
from once import NotSentError, Once, RedisStore, SqlStore
from streams.embedded import EmbeddedBroker
from streams.messages import MessageWriter
from tables.customer import OpenTrigger
from tests.support.redis_server import RedisServer
from tests.support.topics_io import Send, produce
from tests.support.workers import Deployment, deploy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULE = RuleRef("cart.abandoned", "1-12345678")


def trigger(customer: str, *, hours: float = 24, now: datetime = NOW, holdout: bool = False) -> Trigger:
    """One that expires `hours` after `now`."""
    at = now.isoformat().replace("+00:00", "Z")
    return Trigger(
        trigger_id=trigger_id(RULE, customer, "cause"),
        type=RULE.name,
        customer_id=customer,
        rule=RULE,
        due_at=at,
        fired_at=at,
        expires_at=(now + timedelta(hours=hours)).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        reason="a cart was left 4 hours ago",
        evidence={},
        holdout=holdout,
    )


def taken_back(sent: Trigger) -> Cancellation:
    opened = OpenTrigger(sent.type, RULE.version, sent.trigger_id, 0, 0, 0, 0)
    return cancel(opened, sent.customer_id, 0, "an order came", {})


class Sent:
    """What goes out; `fails`: not at the moment."""

    def __init__(self) -> None:
        self.customers: list[str] = []
        self.fails = False

    def __call__(self, value: dict[str, Any]) -> None:
        if self.fails:
            raise NotSentError
        self.customers.append(value["customer_id"])


@pytest.fixture
def once(tmp_path: Path) -> Iterator[Once]:
    with closing(sqlite3.connect(tmp_path / "ids.db")) as connection:
        yield Once(SqlStore(connection))


def outcomes(once: Once, sent: Sent, *decisions: Decision) -> list[str]:
    return [
        print_sender.handle(once, decision.type, msgspec.to_builtins(decision), sent, NOW) for decision in decisions
    ]


def test_each_kind_of_message(once: Once) -> None:
    sent = Sent()
    ann, bob = trigger("ann"), trigger("bob")
    found = outcomes(once, sent, ann, ann, taken_back(bob), bob, taken_back(ann), trigger("cem", holdout=True))
    assert found == ["sent", "sent before", "cancelled", "cancelled", "sent before", "held out"]
    assert outcomes(once, sent, trigger("dan", hours=-1), trigger("eve", hours=0)) == ["expired", "expired"]
    assert sent.customers == ["ann"]


def test_what_cannot_be_sent_now_is_sent_later(once: Once) -> None:
    sent = Sent()
    sent.fails = True
    assert outcomes(once, sent, trigger("ann")) == ["not sent"]
    sent.fails = False
    assert outcomes(once, sent, trigger("ann")) == ["sent"]


@contextmanager
def sending(to: Deployment, output: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The sender as a process; its output is added to `output`."""
    arguments = ["--brokers", to.settings.brokers, "--prefix", to.settings.prefix, "--session", "1000", *options]
    with output.open("ab") as file:
        sender = subprocess.Popen(
            [sys.executable, print_sender.__file__, *arguments], stdout=file, cwd=output.parent, env=dict(os.environ)
        )
    try:
        yield sender
    finally:
        sender.kill()
        sender.wait()


def wait_until_lines(output: Path, count: int, sender: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while output.read_bytes().count(b"\n") < count:
        assert sender.poll() is None, "the sender has ended"
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.005)


@pytest.mark.parametrize("where", ["redis", "table"])
def test_killing_it_sends_nothing_twice(
    embedded_broker: EmbeddedBroker, request: pytest.FixtureRequest, tmp_path: Path, where: str
) -> None:
    """Triggers that come twice, some cancelled before; the sender is killed twice. Its print is its sending."""
    to = deploy(embedded_broker, partitions="1")
    store: tuple[str, ...] = ("--table", "ids.db")
    if where == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        store = ("--redis", server.url)
    now = datetime.now(UTC)
    triggers = [trigger(f"{where}-{number}", now=now) for number in range(120)]
    never = [*triggers[::7], *(expired := [trigger(f"late-{number}", hours=-1, now=now) for number in range(5)])]
    decisions: list[Decision] = [*map(taken_back, triggers[::7]), *triggers, *expired, *triggers]
    message = MessageWriter(to.settings).decision
    rows = [message(decision) for decision in decisions]
    produce(embedded_broker, [Send(row.topic, row.key, row.value, 0, tuple(row.headers)) for row in rows])
    output = tmp_path / "output"
    output.touch()
    for lines in (30, 80):
        with sending(to, output, *store, "--lease", "2") as sender:
            wait_until_lines(output, lines, sender)
    expected = {one.customer_id for one in triggers} - {one.customer_id for one in never}
    with sending(to, output, *store, "--lease", "2") as sender:
        wait_until_lines(output, len(expected), sender)
        last = f"--group=after-{where}"
        with sending(to, tmp_path / "output", *store, "--lease", "2", "--verbose", last) as again:
            wait_until_lines(output, len(expected) + len(decisions), again)
    said = {line.rpartition(": ")[2] for line in output.read_text().splitlines() if line.startswith("cart.abandoned")}
    assert said >= {"sent before", "cancelled", "expired"}
    assert "sent" not in said, "the second group reads all of it again"
    went = Counter(line.partition(":")[0] for line in output.read_text().splitlines() if "4 hours ago" in line)
    assert went.keys() == expected
    assert sum(count - 1 for count in went.values()) <= 2, "one for each kill, between handing over and noting it"


def test_the_store_is_what_the_options_say(redis_server: RedisServer, tmp_path: Path) -> None:
    assert isinstance(print_sender.store_of(Namespace(redis=redis_server.url)), RedisStore)
    store = print_sender.store_of(Namespace(redis=None, table=str(tmp_path / "ids.db")))
    assert isinstance(store, SqlStore)
    store._connection.close()
