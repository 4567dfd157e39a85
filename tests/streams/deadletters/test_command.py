"""`offbeat dead-letters`: what is listed, what would pass, what is sent back, and that nothing is sent twice."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from streams.deadletters.letter import Letter, Receipt, read
from streams.deadletters.returning import Returner
from streams.errors import FencedError
from streams.flow.merge import Rejected
from streams.flow.messages import MessageWriter
from tests.support.brokers import ApacheKafka
from tests.support.commands import read_terminal
from tests.support.killing import killed
from tests.support.topics_io import Broker, Message, Send, now, produce, read_all
from tests.support.workers import ROOT, Deployment, deploy, offbeat, running

TRACE = (("trace", b"\xff\x00"), ("trace", b""))
HOSTILE = "\x1b[2J\x9b31mred\u202e"


def viewed(customer: str, **changes: Any) -> bytes:
    """A view of a product an hour ago, with something changed."""
    value = {"type": "product.viewed", "event_id": customer, "customer_id": customer, "product_id": "p"}
    return json.dumps({"occurred_at": now() - 3_600_000, **value, **changes}).encode()


def dead(
    to: Deployment, key: str, value: bytes, reason: str = "not JSON: x", *, partition: int = 0, source: str = "carts"
) -> Send:
    """A dead letter as a worker writes it, of one that perhaps knew less than this one."""
    rejected = Rejected(key.encode(), value, TRACE, "", reason)
    message = MessageWriter(to.settings).dead_letter(rejected, to.topic(source), partition, 7)
    return Send(message.topic, message.key, message.value, partition, tuple(message.headers))


def command(to: Deployment, *arguments: str) -> Any:
    """What `dead-letters ... --json` tells."""
    done = offbeat("dead-letters", *arguments, "--json", environ=to.environ)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


def came_back(to: Deployment, source: str = "carts") -> list[Message]:
    return read_all(to.broker, [to.topic(source)])


def keys(messages: list[Message]) -> list[str]:
    return sorted((m.key or b"").decode() for m in messages)


def test_what_there_is_is_listed_by_reason_and_source(to: Deployment) -> None:
    assert command(to, "list")["groups"] == []
    produce(
        to.broker,
        [
            *(dead(to, f"a{n}", b"{", "not JSON: cut off") for n in range(3)),
            dead(to, "b", b"{", "not JSON: cut off", partition=1),
            dead(to, "c", b"", "empty value", source="purchases"),
            Send(to.topic("dead-letters"), b"x", b"somebody else's"),
        ],
    )
    told = command(to, "list", "--examples", "2")
    assert (told["topic"], told["count"], told["sent_back"]) == (to.topic("dead-letters"), 6, 0)
    assert told["reasons"] == {"not_json": 4, "empty": 1, "foreign": 1}
    groups = [(g["reason"], g["topic"], g["partition"], g["count"]) for g in told["groups"]]
    assert groups == [
        ("not_json", to.topic("carts"), 0, 3),
        ("not_json", to.topic("carts"), 1, 1),
        ("empty", to.topic("purchases"), 0, 1),
        ("foreign", None, None, 1),
    ]
    assert [e["key"] for e in told["groups"][0]["examples"]] == ["a1", "a2"]
    assert command(to, "list", "--reason", "empty", "--reason", "bad_time")["count"] == 1
    assert command(to, "list", "--since", "1h")["count"] == 6
    assert command(to, "list", "--since", "2100-01-01")["count"] == 0


def test_the_same_to_people_and_nothing_that_rules_their_terminal(embedded: Deployment) -> None:
    to = embedded
    assert offbeat("dead-letters", "list", environ=to.environ).stdout == "no dead letters\n"
    produce(to.broker, [dead(to, HOSTILE, HOSTILE.encode() + b"\xff\n", f"unknown type for carts: {HOSTILE}")])
    for arguments in (["list", "--examples", "1"], ["list", "--examples", "1", "--json"], ["replay", "--dry-run"]):
        done = offbeat("dead-letters", *arguments, environ=to.environ)
        assert done.returncode == 0
        assert all(line.isprintable() for line in done.stdout.splitlines())
    text = offbeat("dead-letters", "list", "--examples", "1", environ=to.environ).stdout
    assert text.startswith(f"unknown_type  {to.topic('carts')}[0]  1  20")
    assert r"key \x1b[2J\x9b31mred\u202e  value \x1b[2J\x9b31mred\u202e\xff\n" in text


def test_a_dry_run_says_what_would_pass_and_changes_nothing(to: Deployment) -> None:
    letters = [
        dead(to, "ann", viewed("ann")),
        dead(to, "bob", b"{"),
        dead(to, "cat", viewed("dog")),
        dead(to, "d", b""),
    ]
    produce(to.broker, letters)
    told = command(to, "replay", "--dry-run")
    reasons = told.pop("reasons")
    assert told == {"dry_run": True, "would_pass": 1, "would_not_pass": 3, "sent_back_before": 0}
    assert sorted((r["reason"], r["count"]) for r in reasons) == [("empty", 1), ("not_json", 1), ("wrong_key", 1)]
    text = offbeat("dead-letters", "replay", "--dry-run", environ=to.environ).stdout
    assert text.endswith("\n1 of 4 would pass now\n")
    assert "wrong_key  1  the key b'cat' differs from customer_id 'dog'  dead letter 2 of partition 0\n" in text
    assert came_back(to) == []
    assert len(read_all(to.broker, [to.topic("dead-letters")])) == 4


def test_what_is_sent_back_is_as_it_was_and_goes_once(to: Deployment) -> None:
    letters = [dead(to, f"c{n}", viewed(f"c{n}"), partition=n % 2) for n in range(6)]
    produce(to.broker, [*letters[:3], dead(to, "bad", b"{"), *letters[3:]])
    told = command(to, "replay", "--yes")
    assert (told["sent"], told["would_not_pass"], told["sent_back_before"]) == (6, 1, 0)
    back = came_back(to)
    for number in (0, 1):
        mine = [(m.key, m.value, m.all_headers) for m in back if m.partition == number]
        assert mine == [(s.key, s.value, (*TRACE, ("offbeat_sent_back", b"1"))) for s in letters[number::2]]
    told = command(to, "replay", "--yes")
    assert (told["sent"], told["would_not_pass"], told["sent_back_before"]) == (0, 1, 6)
    produce(to.broker, [dead(to, "late", viewed("late"))])
    assert command(to, "replay", "--yes")["sent"] == 1
    assert keys(came_back(to)) == ["c0", "c1", "c2", "c3", "c4", "c5", "late"]
    listed = command(to, "list")
    assert (listed["count"], listed["sent_back"]) == (8, 7)


def test_what_one_run_passes_over_another_one_sends(embedded: Deployment) -> None:
    """By reason, by number, by time: in any order, and each letter once."""
    to = embedded
    letters = [dead(to, f"t{n}", viewed(f"t{n}"), "occurred_at x lies more than 1 h ahead") for n in range(4)]
    produce(to.broker, [dead(to, "j0", viewed("j0")), *letters, dead(to, "j1", viewed("j1"))])
    assert command(to, "replay", "--yes", "--reason", "bad_time", "--limit", "3")["sent"] == 3
    assert command(to, "replay", "--yes", "--since", "2100-01-01")["sent"] == 0
    assert command(to, "replay", "--yes", "--reason", "not_json")["sent"] == 2
    assert command(to, "replay", "--yes")["sent"] == 1
    assert keys(came_back(to)) == ["j0", "j1", "t0", "t1", "t2", "t3"]


def test_large_letters_go_in_more_than_one_chunk(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka, partitions="1")
    produce(to.broker, [dead(to, f"c{n}", viewed(f"c{n}", extra="x" * 900_000)) for n in range(12)])
    assert command(to, "replay", "--yes")["sent"] == 12
    assert [m.key for m in came_back(to)] == [f"c{n}".encode() for n in range(12)]


def test_a_loop_can_be_seen(to: Deployment) -> None:
    """What is refused again comes back with a count; what passes is taken by the worker."""
    produce(to.broker, [Send(to.topic("carts"), b"bad", b"{", 0, TRACE), dead(to, "ann", viewed("ann"))])
    with running(to.environ, dead_letter_share="1") as worker:
        worker.wait_metric("offbeat_dead_letters_total", 1)
        for times in (1, 2):
            assert command(to, "replay", "--yes")["sent"] == 2 - times
            told = command(to, "replay", "--yes", "--all")
            assert (told["sent"], told["sent_back_before"]) == (1, times)
            worker.wait_metric("offbeat_dead_letters_total", 1 + times)
        worker.wait_metric("offbeat_events_total", 1)
    found = [read(m.partition, Parsed(m)) for m in read_all(to.broker, [to.topic("dead-letters")])]
    bad = [letter for letter in found if isinstance(letter, Letter) and letter.key == b"bad"]
    assert [(letter.times, letter.value, letter.headers) for letter in bad] == [(n, b"{", TRACE) for n in range(3)]
    assert command(to, "list", "--reason", "not_json")["refused_again"] == 2


class Parsed:
    """A message as aiokafka's parser leaves it."""

    def __init__(self, message: Message) -> None:
        self.key, self.value, self.headers = message.key, message.value, message.all_headers
        self.offset, self.timestamp = message.offset, 0


# --- broken off ------------------------------------------------------------------------------------------------------

PLACES = """
from streams.deadletters import returning, run

class Returner(returning.Returner):
    async def _acknowledged(self, rows):
        await super()._acknowledged(rows)
        reached("acknowledged")

    async def write(self, letters, place):
        await super().write(letters, place)
        reached("written")

run.Returner, run.CHUNK = Returner, 3
"""


@pytest.mark.parametrize("where", ["acknowledged:0", "acknowledged:1", "acknowledged:2", "written:0", "written:1"])
def test_a_run_that_is_killed_and_run_again_sends_nothing_twice(apache_kafka: ApacheKafka, where: str) -> None:
    """After the letters of a chunk, after its receipt, after its commit."""
    to = deploy(apache_kafka)
    letters = [dead(to, f"c{n}", viewed(f"c{n}"), partition=n % 2) for n in range(10)]
    produce(to.broker, letters)
    killed(to, PLACES, where, "dead-letters", "replay", "--yes")
    rest = command(to, "replay", "--yes")
    assert rest["sent"] + rest["sent_back_before"] == 10
    assert keys(came_back(to)) == [f"c{n}" for n in range(10)]


def test_whoever_begins_later_fences_the_other(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)
    produce(to.broker, [dead(to, "ann", viewed("ann"))])
    (found,) = read_all(to.broker, [to.topic("dead-letters")])
    letter = read(found.partition, Parsed(found))
    assert isinstance(letter, Letter)

    async def two() -> None:
        first, second = Returner(to.settings), Returner(to.settings)
        await first.open()
        await second.open()
        with pytest.raises(FencedError):
            await first.write([letter], lambda _: 1)
        await second.write([letter], lambda _: 1)
        await first.close()
        await second.close()

    asyncio.run(two())
    (back,) = came_back(to)
    assert (back.key, back.partition) == (b"ann", 1)
    receipts = [read(m.partition, Parsed(m)) for m in read_all(to.broker, [to.topic("dead-letters")])]
    assert Receipt(((0, 0),)) in receipts


# --- asking, and what is wrong ---------------------------------------------------------------------------------------


def asked(to: Deployment, answer: bytes) -> tuple[int, str]:
    """Exit status, and what a terminal shows to somebody who answers so."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "streams", "dead-letters", "replay"],
        env={**os.environ, **to.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb", "COLUMNS": "200"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, answer)
    shown = read_terminal(ours)
    return process.wait(), shown


def test_nothing_is_sent_without_a_yes(embedded: Deployment) -> None:
    to = embedded
    produce(to.broker, [dead(to, "ann", viewed("ann")), dead(to, "bob", b"{")])
    done = offbeat("dead-letters", "replay", environ=to.environ)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "say --yes, or --dry-run" in done.stderr
    status, shown = asked(to, b"n\n")
    assert (status, "send 1 dead letters back? [y/N]" in shown, "nothing was sent" in shown) == (1, True, True)
    assert "not_json  1" in shown
    assert came_back(to) == []
    status, shown = asked(to, b"y\n")
    assert (status, "sent 1 back, 1 stay" in shown) == (0, True)
    assert keys(came_back(to)) == ["ann"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["list", "--prefix", "none."], 1, "no topic none.dead-letters at "),
        (["list", "--reason", "bad"], 2, "'bad' is not one of 'empty', "),
        (["list", "--since", "yesterday"], 2, "'yesterday' is neither a time (2026-01-31, 2026-01-31T08:00) nor"),
        (["list", "--brokers", "127.0.0.1:9"], 1, "no broker at 127.0.0.1:9 "),
        (["replay", "--yes", "--limit", "0"], 2, "0 is not in the range x>=1"),
        (["replay", "--yes", "--delivery", "exactly_once"], 1, "set OFFBEAT_DELIVERY=at_least_once"),
    ],
)
def test_what_is_wrong_is_one_line(embedded: Deployment, arguments: list[str], status: int, message: str) -> None:
    done = offbeat("dead-letters", *arguments, environ=embedded.environ)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1), done.stderr
    assert message in done.stderr


def test_what_a_topic_does_not_take_is_named(apache_kafka: ApacheKafka) -> None:
    """It was compressed when it came: nothing of its chunk is sent, and the line says how to mend it."""
    to = deploy(apache_kafka, partitions="1")
    limit_of(to.broker, to.topic("carts"), 10_000)
    produce(to.broker, [dead(to, "ann", viewed("ann")), dead(to, "bob", viewed("bob", extra="x" * 20_000))])
    done = offbeat("dead-letters", "replay", "--yes", environ=to.environ)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"raise max.message.bytes of {to.topic('carts')}" in done.stderr
    assert came_back(to) == []
    limit_of(to.broker, to.topic("carts"), 100_000)
    assert command(to, "replay", "--yes")["sent"] == 2
    assert keys(came_back(to)) == ["ann", "bob"]


def limit_of(broker: Broker, topic: str, size: int) -> None:
    change = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[change])
    client = AdminClient({"bootstrap.servers": broker.address})
    for done in client.incremental_alter_configs([resource]).values():
        done.result(10)
