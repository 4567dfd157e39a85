"""The sender that prints, over a broker: killing it, and others joining it, sends nothing twice and loses nothing."""

from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from streams.brokers.embedded import EmbeddedBroker
from streams.flow.messages import MessageWriter
from tests.support.brokers import ApacheKafka
from tests.support.redis_server import RedisServer
from tests.support.sending import Sender, taken_back, tell, trigger
from tests.support.topics_io import Send, produce
from tests.support.workers import deploy


@pytest.fixture(params=["redis", "table"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, ...]:
    """The options that say where ids are."""
    if request.param == "table":
        return ("--table", str(tmp_path / "ids.db"))
    server: RedisServer = request.getfixturevalue("redis_server")
    return ("--redis", server.url)


def sent(*told: str) -> Counter[str]:
    """How often each customer's trigger was sent, by what senders printed."""
    lines = [line for one in told for line in one.splitlines()]
    return Counter(line.partition(":")[0] for line in lines if line.endswith("a cart was left 4 hours ago"))


def test_killing_it_sends_nothing_twice(embedded_broker: EmbeddedBroker, store: tuple[str, ...]) -> None:
    """Triggers that come twice, some of them taken back; the sender is killed twice. Its print is its sending."""
    to = deploy(embedded_broker, partitions="1")
    triggers = [trigger(f"c{number}") for number in range(120)]
    expired = [trigger(f"late-{number}", hours=-1) for number in range(5)]
    tell(to, *map(taken_back, triggers[::7]), *triggers, *expired, *triggers)
    expected = {one.customer_id for one in triggers} - {one.customer_id for one in triggers[::7]}
    told: list[str] = []
    for enough in (10, 30, len(expected)):
        with Sender(to, "print_sender.py", "--lease", "2s", *store) as sender:
            sender.wait_until(partial(have_sent, tuple(told), sender, enough))
            if enough == len(expected):
                sender.wait_told("cart.abandoned " + triggers[-1].trigger_id, 2)
                assert sender.stop() == 0
            sender.kill()
            told.append(sender.told)
    found = sent(*told)
    assert found.keys() == expected
    assert sum(count - 1 for count in found.values()) <= 2, "one for each kill, between handing over and noting it"
    assert all(f": {outcome}\n" in "".join(told) for outcome in ("sent", "sent before", "cancelled", "expired"))


def have_sent(before: tuple[str, ...], sender: Sender, count: int) -> bool:
    """Whether so many customers were told, by those that were killed or by this one; some by both."""
    return len(sent(*before, sender.told)) >= count


def test_another_that_joins_loses_nothing_that_is_held(apache_kafka: ApacheKafka, tmp_path: Path) -> None:
    to = deploy(apache_kafka, partitions="2")
    write = MessageWriter(to.settings).decision
    rows = [write(trigger(f"c{number}")) for number in range(60)]
    produce(to.broker, [Send(row.topic, row.key, row.value, n % 2, tuple(row.headers)) for n, row in enumerate(rows)])
    options = ("--table", str(tmp_path / "ids.db"), "--lease", "2s", "--delay", "10s")
    with Sender(to, "print_sender.py", *options) as first:
        first.wait_told(": held\n", 60)
        with Sender(to, "print_sender.py", *options) as second:
            second.wait_until(lambda: len(sent(first.told, second.told)) == 60)
            assert (first.stop(), second.stop()) == (0, 0)
            assert second.told.count(": held\n") == 30
            assert set(sent(first.told, second.told).values()) == {1}
    with Sender(to, "print_sender.py", *options, "--delay", "0s") as third:
        produce(to.broker, [Send(rows[0].topic, rows[0].key, rows[0].value, 0, tuple(rows[0].headers))])
        third.wait_told(": sent before\n")
        assert third.told.count("cart.abandoned") == 1, "all else was committed"
