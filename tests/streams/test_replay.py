"""Replays: what is sent where, in which order, with which marks."""

import asyncio
import gc
import json
import os
import re
import subprocess
import sys
import time
import uuid
import warnings
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.partitioner import murmur2

from streams.commands import run
from streams.decode import decoder
from streams.embedded import EmbeddedBroker, free_port
from streams.logs import LogLine, read_log
from streams.replay import Progress, ReplayError, ReplayResult, TopicsError, replay
from streams.replay.pace import Clock, Pace
from streams.replay.run import _Replay
from streams.replay.sender import Sender
from streams.settings import Settings
from streams.topics import create
from tables.events import SOURCES, TimeMark
from tests.support.brokers import ApacheKafka

T0 = 1_700_000_000_000
Record = tuple[bytes | None, bytes]
CDNOW = Path(__file__).parents[3] / "shared" / "data" / "cdnow_master.csv.zst"


def view(customer: str, at: int, effective: int | None = None, source: str = "carts") -> LogLine:
    value = {"type": "product.viewed", "event_id": f"e{at}", "customer_id": customer, "occurred_at": at}
    if source == "purchases":
        value |= {"type": "order.cancelled", "order_id": "o"}
    elif source == "customers":
        value |= {"type": "customer.erased"}
    else:
        value |= {"product_id": "p"}
    return LogLine(source, customer.encode(), json.dumps(value).encode(), at, at if effective is None else effective)


# --- marks, without a broker -----------------------------------------------------------------------------------------


class Slots:
    """Stands for the sender: keeps what each slot gets; a slot takes `room` records between two flushes."""

    def __init__(self, slots: int, room: int = 3) -> None:
        self.slots = slots
        self.records: list[list[Record]] = [[] for _ in range(slots)]
        self.flushes = 0
        self._room = room
        self._filled = [0] * slots

    def add(self, slot: int, key: bytes | None, value: bytes) -> bool:
        if self._filled[slot] == self._room:
            return False
        self._filled[slot] += 1
        self.records[slot].append((key, value))
        return True

    async def flush(self) -> None:
        self.flushes += 1
        self._filled = [0] * self.slots


class FakeClock:
    """Seconds that pass in `sleep` only."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def clock(self) -> Clock:
        async def sleep(seconds: float) -> None:
            self.seconds += seconds
            self.slept.append(seconds)

        return Clock(lambda: self.seconds, sleep)


def run_through(
    lines: Iterable[LogLine], partitions: int, speed: float | None = None, clock: Clock | None = None
) -> tuple[_Replay, Slots]:
    slots = Slots(len(SOURCES) * partitions)
    sending: Any = slots  # it has what a Sender has
    going = _Replay(sending, partitions, speed, False, clock or FakeClock().clock(), lambda _: None)
    asyncio.run(going.send(lines))
    return going, slots


moments = st.tuples(st.sampled_from(SOURCES), st.integers(0, 8), st.sampled_from("abcdef"))


@st.composite
def logs(draw: st.DrawFn) -> list[LogLine]:
    """Any log, merged as the definition says."""
    reached: dict[str, int] = defaultdict(int)
    lines = []
    for source, step, customer in draw(st.lists(moments, max_size=40)):
        reached[source] = max(reached[source], T0 + step)
        lines.append(view(customer, T0 + step, reached[source], source))
    return sorted(lines, key=lambda line: (line.effective, SOURCES.index(line.source)))


@settings(max_examples=200, deadline=None)
@given(lines=logs(), partitions=st.integers(1, 3), every=st.integers(1, 6))
def test_marks_tell_the_truth_and_make_every_partition_like_the_file(
    lines: list[LogLine], partitions: int, every: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.replay.run._MARK_LINES", every)
        going, slots = run_through(lines, partitions)
    for slot, records in enumerate(slots.records):
        source = SOURCES[slot // partitions]
        expected = iter(
            [line for line in lines if line.source == source and place(line.key, partitions) == slot % partitions]
        )
        reached = 0
        for key, value in records:
            if key is None:
                event, at = decoder(source)(None, value, T0)
                assert isinstance(event, TimeMark)
                assert at >= reached  # marks never go back
                reached = at
                continue
            line = next(expected)
            assert (key, value) == (line.key, line.value)
            reached = max(reached, line.at)
            # both at once: no mark was beyond the line, and the reader's running maximum is that of the file
            assert reached == line.effective
        assert next(expected, None) is None
        if lines:
            assert json.loads(records[-1][1]) == {"type": "time.mark", "occurred_at": lines[-1].effective + 1}
        else:
            assert records == []
    assert going.marks == sum(key is None for records in slots.records for key, _ in records)
    assert going.late == sum(line.at < line.effective for line in lines)


def place(key: bytes, partitions: int) -> int:
    """As the clients of other projects choose it."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def test_marks_come_in_all_partitions_after_a_thousand_lines_and_at_a_new_time_only() -> None:
    lines = [view(f"c{i}", T0 + i // 700) for i in range(3000)]
    _, slots = run_through(lines, 2)
    for records in slots.records:
        marks = [json.loads(value)["occurred_at"] - T0 for key, value in records if key is None]
        assert marks == [2, 4, 5]  # lines 1400 and 2800 are the first of a new time, then the end


def test_a_line_that_will_be_refused_does_not_stand_for_its_time() -> None:
    """It says the running maximum of the file, but the worker does not count it: the late line needs a mark."""
    first, second = sorted((f"c{i}" for i in range(9)), key=lambda c: place(c.encode(), 2))[::8]
    refused = LogLine("carts", second.encode(), b'{"type":"product.viewed"}', T0 + 5, T0 + 5)
    _, slots = run_through([view(first, T0 + 5), refused, view(second, T0 + 1, T0 + 5)], 2)
    records = slots.records[2 * SOURCES.index("carts") + place(second.encode(), 2)]
    assert [json.loads(value).get("occurred_at", 0) - T0 for _, value in records] == [-T0, 5, 1, 6]


def test_pace() -> None:
    seconds = 50.0
    pace = Pace(10.0, lambda: seconds)
    assert pace.reached(T0) == T0
    assert pace.left(T0) == 0
    assert pace.left(T0 + 20_000) == 2.0
    seconds = 51.5
    assert pace.left(T0 + 20_000) == 0.5
    assert pace.reached(T0 + 20_000) == T0 + 15_000
    assert pace.reached(T0 + 9_000) == T0 + 9_000
    assert pace.left(T0 + 10_000) == -0.5


def test_a_paced_replay_sends_when_it_is_time_and_marks_the_time_between() -> None:
    fake = FakeClock()
    sent: list[tuple[float, int]] = []

    def told() -> Iterator[LogLine]:
        for step in (0, 1, 100):
            yield view("a", T0 + step * 1000)
            sent.append((fake.seconds - 1000, step))

    _, slots = run_through(told(), 1, speed=20.0, clock=fake.clock())
    assert [step for _, step in sent] == [0, 1, 100]
    assert [seconds for seconds, _ in sent] == pytest.approx([0, 0.05, 5], abs=0.011)
    assert max(fake.slept) <= 0.2
    marks = [[json.loads(value)["occurred_at"] - T0 for key, value in r if key is None] for r in slots.records]
    assert marks[0] == marks[1] == marks[2]
    # one about every 0.2 s: 4 s of event time
    assert marks[0][-1] == 100_001
    assert len(marks[0]) == pytest.approx(26, abs=2)
    assert all(0 < later - earlier <= 4_100 for earlier, later in pairwise(marks[0]))


# --- the sender, with a producer that is not one ---------------------------------------------------------------------


class FakeBatch:
    def __init__(self, room: int) -> None:
        self.records: list[Record] = []
        self._room = room

    def append(self, *, timestamp: int | None, key: bytes | None, value: bytes) -> object:
        assert timestamp is None
        if self.records and len(self.records) == self._room:
            return None
        self.records.append((key, value))
        return object()

    def record_count(self) -> int:
        return len(self.records)

    def size(self) -> int:
        return sum(len(value) for _, value in self.records)


class FakeProducer:
    """Acknowledges as `answer` says, later; notes when a partition has two batches on their way."""

    def __init__(self, answer: Callable[[FakeBatch], BaseException | None], room: int = 10) -> None:
        self._answer = answer
        self._room = room
        self.sent: list[tuple[str, int, list[Record]]] = []
        self._busy: set[tuple[str, int]] = set()

    def create_batch(self) -> FakeBatch:
        return FakeBatch(self._room)

    async def send_batch(self, batch: FakeBatch, topic: str, *, partition: int) -> Awaitable[None]:
        assert (topic, partition) not in self._busy
        self._busy.add((topic, partition))

        async def acknowledge() -> None:
            await asyncio.sleep(0)
            self._busy.discard((topic, partition))
            if error := self._answer(batch):
                raise error
            self.sent.append((topic, partition, batch.records))

        return asyncio.ensure_future(acknowledge())


def send_all(producer: FakeProducer, records: list[tuple[int, bytes]]) -> Sender:
    async def go() -> Sender:
        sender = Sender(producer, ("x", "y"), 2)
        for slot, value in records:
            if not sender.add(slot, b"key", value):
                await sender.flush()
                assert sender.add(slot, b"key", value)
        await sender.finish()
        return sender

    return asyncio.run(go())


def test_the_sender_keeps_order_with_one_batch_on_its_way_per_partition() -> None:
    producer = FakeProducer(lambda _: None)
    send_all(producer, [(i % 3, str(i).encode()) for i in range(100)])
    got: dict[int, list[int]] = defaultdict(list)
    for topic, partition, records in producer.sent:
        got["xy".index(topic) * 2 + partition] += [int(value) for _, value in records]
    assert got == {slot: list(range(slot, 100, 3)) for slot in range(3)}


def test_a_record_that_is_too_large_is_counted_and_the_rest_goes_on() -> None:
    producer = FakeProducer(lambda batch: MessageSizeTooLargeError() if batch.size() > 50 else None, room=1)
    sender = send_all(producer, [(0, b"a"), (0, b"b" * 99), (0, b"c"), (3, b"d" * 99)])
    assert [records[0][1] for _, _, records in producer.sent] == [b"a", b"c"]
    assert sender.rejected.count == 2
    assert sender.rejected.reasons == [
        "an event of 99 bytes of customer 'key' is larger than x takes",
        "an event of 99 bytes of customer 'key' is larger than y takes",
    ]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MessageSizeTooLargeError(), "x takes no batch of 6 bytes: raise its max.message.bytes"),
        (KafkaTimeoutError(), "x, partition 1, did not take a batch: KafkaTimeoutError"),
    ],
)
def test_a_batch_that_is_not_taken_ends_the_replay(error: Exception, message: str) -> None:
    with pytest.raises(ReplayError) as caught:
        send_all(FakeProducer(lambda _: error), [(1, b"abc"), (1, b"def")])
    assert str(caught.value) == message


# --- the embedded broker ---------------------------------------------------------------------------------------------


@pytest.fixture
def shop(embedded_broker: EmbeddedBroker) -> Settings:
    """Settings with topics of their own, four partitions each."""
    here = Settings(
        brokers=embedded_broker.address,
        prefix=f"replay-{uuid.uuid4().hex[:8]}-",
        partitions=4,
        delivery="at_least_once",
    )
    create(here)
    return here


def read_back(shop: Settings, count: int) -> dict[tuple[str, int], list[Any]]:
    """The records of the source topics by (source, partition), with a client that is not ours: `count`, and no more."""
    places = [TopicPartition(shop.topic(source), n) for source in SOURCES for n in range(shop.partitions)]
    names = {shop.topic(source): source for source in SOURCES}
    records: dict[tuple[str, int], list[Any]] = {(names[p.topic], p.partition): [] for p in places}
    consumer = KafkaConsumer(bootstrap_servers=shop.brokers)
    deadline = time.monotonic() + 30
    try:
        consumer.assign(places)
        consumer.seek_to_beginning()
        while (missing := count - sum(map(len, records.values()))) > 0 and time.monotonic() < deadline:
            for place_, got in consumer.poll(timeout_ms=1000).items():
                records[names[place_.topic], place_.partition] += got
        surplus = consumer.poll(timeout_ms=200)
        assert (missing, surplus) == (0, {})
        return records
    finally:
        consumer.close()


def check_sent(shop: Settings, lines: list[LogLine], result: ReplayResult, began: float) -> None:
    records = read_back(shop, result.lines + result.marks)
    for (source, partition), got in records.items():
        mine = [line for line in lines if line.source == source and place(line.key, shop.partitions) == partition]
        assert [(r.key, r.value) for r in got if r.key] == [(line.key, line.value) for line in mine]
        assert [r.offset for r in got] == list(range(len(got)))
        assert all(began - 5 <= r.timestamp / 1000 <= time.time() + 5 for r in got)
        reached = 0
        effective = iter(mine)
        for r in got:
            at = json.loads(r.value)["occurred_at"]
            reached = max(reached, at)
            assert not r.key or reached == next(effective).effective
        assert json.loads(got[-1].value) == {"type": "time.mark", "occurred_at": lines[-1].effective + 1}


def test_replay_into_a_broker(shop: Settings) -> None:
    lines: list[LogLine] = []
    reached: dict[str, int] = defaultdict(int)
    for i in range(6000):
        source = SOURCES[i % 7 % 3]
        at = T0 + i * 10 - (400 if i % 50 == 0 else 0)
        reached[source] = max(reached[source], at)
        lines.append(view(f"c{i % 331}", at, reached[source], source))
    lines.sort(key=lambda line: (line.effective, SOURCES.index(line.source)))
    told: list[Progress] = []
    began = time.time()
    result = asyncio.run(replay(iter(lines), settings=shop, on_progress=told.append))
    assert (result.lines, result.rejected.count) == (6000, 0)
    assert result.late == sum(line.at < line.effective for line in lines) > 50
    assert 6 * 12 <= result.marks <= 6 * 12 + result.late
    assert (told[-1].lines, told[-1].marks) == (6000, result.marks)
    check_sent(shop, lines, result, began)


def test_replay_of_cdnow(shop: Settings) -> None:
    if not CDNOW.exists():
        pytest.skip("cdnow_master.csv.zst is not in ../shared/data beside the project")
    lines = list(read_log(CDNOW).lines())
    began = time.time()
    result = asyncio.run(replay(lines, settings=shop))
    assert (result.lines, result.late) == (69_659, 0)
    check_sent(shop, lines, result, began)


def test_an_empty_log_sends_nothing(shop: Settings) -> None:
    result = asyncio.run(replay([], settings=shop))
    assert (result.lines, result.marks) == (0, 0)
    read_back(shop, 0)


def test_events_larger_than_a_batch_are_sent_alone(shop: Settings) -> None:
    big = json.dumps({"type": "product.viewed", "customer_id": "a", "padding": "x" * 600_000}).encode()
    lines = [view("a", T0), LogLine("carts", b"a", big, T0, T0), view("a", T0 + 1)]
    result = asyncio.run(replay(lines, settings=shop))
    got = [r.value for records in read_back(shop, 3 + result.marks).values() for r in records if r.key]
    assert got == [line.value for line in lines]
    assert (result.lines, result.rejected.count) == (3, 0)


def test_a_log_that_breaks_off_says_so_and_leaves_no_producer(shop: Settings) -> None:
    def lines() -> Iterator[LogLine]:
        yield view("a", T0)
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        asyncio.run(replay(lines(), settings=shop))


def test_topics_that_are_missing_or_differ(embedded_broker: EmbeddedBroker) -> None:
    here = Settings(brokers=embedded_broker.address, prefix=f"replay-{uuid.uuid4().hex[:8]}-")
    with pytest.raises(TopicsError, match=r"no topic .*purchases, .*carts at .*: make it with `offbeat topics create`"):
        asyncio.run(replay([], settings=here))
    client = KafkaAdminClient(bootstrap_servers=here.brokers)
    try:
        client.create_topics({name: {"num_partitions": 2 + (name == here.topic("carts"))} for name in here.sources})
    finally:
        client.close()
    with pytest.raises(TopicsError, match=r"differ in their number of partitions \(.*carts 3\)"):
        asyncio.run(replay([], settings=here))


def test_apache_kafka_takes_the_same_and_refuses_what_is_too_large(apache_kafka: ApacheKafka) -> None:
    here = Settings(brokers=apache_kafka.address, prefix=f"replay-{uuid.uuid4().hex[:8]}-", partitions=2)
    create(here)
    big = json.dumps({"type": "product.viewed", "customer_id": "a", "padding": "x" * (17 << 20)}).encode()
    lines = [view("a", T0), LogLine("carts", b"a", big, T0, T0), *(view(f"c{i}", T0 + i) for i in range(3000))]
    began = time.time()
    result = asyncio.run(replay(lines, settings=here))
    assert (result.lines, result.rejected.count) == (3001, 1)
    assert re.match(r"an event of \d+ bytes of customer 'a' is larger than .*carts takes", result.rejected.reasons[0])
    check_sent(here, [line for line in lines if line.value != big], result, began)


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def at_shop(shop: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("OFFBEAT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OFFBEAT_BROKERS", shop.brokers)
    monkeypatch.setenv("OFFBEAT_PREFIX", shop.prefix)
    return shop


TABLE = """customer_id,event_time,event_type,product_id
a,2020-01-01,view,p
b,2020-01-03,purchase,
c,2020-01-02,add_to_cart,p
d,someday,view,p
"""


def test_the_command_sends_and_sums_up(at_shop: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.csv").write_text(TABLE)
    assert run(["replay", "log.csv"]) == 0
    out, err = capfd.readouterr()
    where = ", ".join(at_shop.sources)
    assert out.startswith(f"sent 3 events from 2020-01-01 00:00 to 2020-01-03 00:00 to {where} in ")
    assert out.endswith("; 12 time marks, 1 rejected\n")
    assert err == "rejected in the file: row 4: event_time 'someday' is neither ISO 8601 nor epoch milliseconds\n"
    records = read_back(at_shop, 15)
    assert Counter(source for (source, _), got in records.items() for r in got if r.key) == {"carts": 2, "purchases": 1}


@pytest.mark.parametrize(
    ("options", "anchor"), [((), "last"), (("--speed", "1e9"), "last"), (("--speed", "1"), "first")]
)
def test_backfill_and_shift(
    at_shop: Settings, tmp_path: Path, options: tuple[str, ...], anchor: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(view("a", T0 + step).value for step in (0, 50)))
    began = round(time.time() * 1000)
    assert run(["replay", "log.jsonl", "--backfill", "--shift", *options]) == 0
    marks = int(re.findall(r"; (\d+) time marks", capfd.readouterr().out)[0])
    events = [json.loads(r.value) for got in read_back(at_shop, 2 + marks).values() for r in got]
    assert all(event["backfill"] for event in events)
    times = sorted(event["occurred_at"] for event in events if event["type"] != "time.mark")
    assert times[1] - times[0] == 50
    assert began <= times[anchor == "last"] <= round(time.time() * 1000)
    assert {event["occurred_at"] for event in events if event["type"] == "time.mark"} >= {times[1] + 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["log.txt"], "log.txt: the name must end in .jsonl"),
        (["bad.csv"], "bad.csv: no column customer_id, event_time, event_type"),
        (["log.csv", "--speed", "0"], "'0' is neither a factor above 0 nor max"),
        (["log.csv", "--speed", "nan"], "'nan' is neither a factor above 0 nor max"),
        (["log.csv", "--speed", "inf"], "'inf' is neither a factor above 0 nor max"),
        (["log.csv", "--speed", "fast"], "'fast' is neither a factor above 0 nor max"),
        (["log.csv", "--prefix", "none-"], "no topic none-customers, none-purchases, none-carts at"),
        ([], "Missing argument 'FILE'"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(
    at_shop: Settings, tmp_path: Path, arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.csv").write_text(TABLE)
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    assert run(["replay", *arguments]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("offbeat: ")
    assert message in err
    read_back(at_shop, 0)


def test_a_broker_that_is_away_is_a_failure(
    at_shop: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.csv").write_text(TABLE)
    address = f"127.0.0.1:{free_port()}"
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        assert run(["replay", "log.csv", "--brokers", address, "--prefix", at_shop.prefix]) == 1
        gc.collect()  # kafka-python forgets sockets that it could not connect
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"offbeat: no broker at {address}")
    assert err.count("\n") == 1


def test_as_a_process_on_a_terminal_and_off_it(at_shop: Settings, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(TABLE)
    command = [sys.executable, "-m", "streams", "replay", str(tmp_path / "log.csv")]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    plain = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    assert plain.stdout.startswith("sent 3 events")
    assert "\x1b" not in plain.stdout + plain.stderr
    screen = subprocess.run(command, capture_output=True, text=True, env=env | {"FORCE_COLOR": "1"}, check=True)
    assert screen.stdout.startswith("sent 3 events")
    assert "\x1b[" in screen.stderr
    assert sum(bool(r.key) for got in read_back(at_shop, 30).values() for r in got) == 6
