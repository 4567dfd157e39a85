"""What events, batches and customers cost, counted and held to bounds a few per cent above what they cost today.

No clock has a say, so a slow machine changes nothing. When one of these fails, something became dearer: see with
`python -m tests.bench.inmemory` what is called, before and after your change. If it is worth its price, measure with
`make bench` and raise the bound; if something became cheaper by more than a few per cent, lower it.
"""

import asyncio
import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from agents.core import Core
from agents.rulebook.rules import Rules
from streams.delivery.ports import Row
from streams.delivery.writer import make_writer
from streams.settings import Settings
from tables.parameters import BUILTIN
from tests.bench.inmemory import NOTHING, PER_BATCH, Fetched, InMemory, batches, calls
from tests.support.brokers import ApacheKafka
from tests.support.topics_io import Broker
from tests.support.workers import deploy

SLACK = 1.03 if sys.version_info[:2] == (3, 11) else 1.2
"""Other versions of Python count a little differently: in later ones a comprehension is no call."""
WARM, COUNTED = 8, 3
"""Batches taken before counting, and those in which is counted."""
CUSTOMERS = 4_000
LOOK = "something became dearer; see: python -m tests.bench.inmemory --apart"


class Scene:
    """A worker that has taken WARM batches, and those that follow."""

    def __init__(self, apart: int) -> None:
        fetched = batches(WARM + COUNTED + 1, CUSTOMERS, apart)
        self.worker = InMemory()
        self.worker.take(fetched[:WARM])
        self.next: list[Fetched] = fetched[WARM:]
        gc.collect()  # what it looks at once and finds to need no looking is not counted
        self.advice = f"{LOOK} {apart}"


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Counting must not depend on when garbage is collected."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("apart", "python", "in_c", "decisions"),
    [(5, 20.7, 29.3, 0), (2_000, 22.1, 31.4, 250)],
    ids=["a busy hour", "a backlog of six hours"],
)
def test_calls_for_an_event(apart: int, python: float, in_c: float, decisions: int) -> None:
    """In the backlog carts are left behind: timers are looked at, and triggers written."""
    scene, events = Scene(apart), COUNTED * PER_BATCH
    before = scene.worker.decisions
    found, found_in_c = calls(lambda: scene.worker.take(scene.next[:COUNTED]))
    assert scene.worker.decisions - before >= decisions
    assert found.total() / events < python * SLACK, scene.advice
    assert found_in_c / events < in_c * SLACK, scene.advice


@pytest.mark.usefixtures("no_collector")
def test_calls_for_a_batch() -> None:
    """One without events: what a batch costs besides, ten times a second for each idle partition number."""
    scene = Scene(5)
    found, in_c = calls(lambda: scene.worker.take([NOTHING]))
    assert found.total() <= 54 * SLACK, scene.advice
    assert in_c <= 23 * SLACK, scene.advice


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("apart", [5, 2_000])
def test_what_the_garbage_collector_would_look_at(apart: int) -> None:
    """Of a waiting event its entry, and an order's items; of customers nothing, of timers a list a minute."""
    scene = Scene(apart)
    before = len(gc.get_objects())
    scene.worker.feed(scene.next[0])
    assert (len(gc.get_objects()) - before) / PER_BATCH < 1.29 * SLACK, scene.advice
    scene.worker.work()
    gc.collect()
    assert (len(gc.get_objects()) - before) / PER_BATCH < 0.12, scene.advice


@pytest.mark.usefixtures("no_collector")
def test_memory_for_an_event() -> None:
    """While its batch is at work, with all that is written of it; what stays is the customer's."""
    scene = Scene(5)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        scene.worker.take(scene.next[:1])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (peak - before) / PER_BATCH < 1_100 * SLACK, scene.advice


@pytest.mark.usefixtures("no_collector")
def test_memory_for_a_customer() -> None:
    """As after a start: its packed state, its key, and its timer."""
    scene, customers = Scene(2_000), 20_000
    packed = [state for key, state in scene.worker.states.items() if state and key[:1] != b"\0"]
    assert len(packed) > 0.8 * CUSTOMERS
    assert sum(map(len, packed)) / len(packed) < 276 * SLACK
    tracemalloc.start()
    try:
        core = Core(Rules(), BUILTIN)
        before, _ = tracemalloc.get_traced_memory()
        core.states.restore({b"c%08d" % i: bytes(bytearray(s)) for i, s in enumerate(islice(cycle(packed), customers))})
        core.states.ready()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(core.states) == customers
    assert (after - before) / customers < 387 * SLACK


def requests_of_batches(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[Counter[str]]:
    """What is sent to the brokers for each of five batches of 1,000 customers and triggers in two topics.

    Brokers that are still busy with the batch before are asked again, so that there are pauses between them.
    """
    sent: list[str] = []
    really = AIOKafkaClient.send

    async def send(client: AIOKafkaClient, node: int, request: Any, **options: Any) -> Any:
        sent.append(type(request).__name__)
        return await really(client, node, request, **options)

    states: list[Row] = [(b"c%d" % number, b"s" * 300, []) for number in range(1_000)]
    triggers: list[Row] = [(b"c", b"t" * 500, [])] * 50
    outputs = {settings.topic("triggers_cart"): triggers, settings.topic("triggers_repurchase"): triggers}

    async def write() -> list[Counter[str]]:
        writer = make_writer(settings, 0, dict.fromkeys([settings.changelog, *settings.outputs], settings.partitions))
        await writer.open()
        found = []
        for offset in range(5):
            sent.clear()
            await writer.write(states, outputs, dict.fromkeys(settings.sources, offset))
            found.append(Counter(sent))
            await asyncio.sleep(0.1 * offset)  # the markers of the batch before are written meanwhile
        await writer.close()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(AIOKafkaClient, "send", send)
        return asyncio.run(write())


def test_requests_for_a_batch_at_least_once(embedded_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions first, all topics in one request; then the states."""
    found = requests_of_batches(deploy(embedded_broker).settings, monkeypatch)
    assert min(found, key=Counter.total) == {"ProduceRequest": 2}


def test_requests_for_a_batch_exactly_once(apache_kafka: ApacheKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many topics, records and sources; the group's offsets go along with the first."""
    monkeypatch.setattr("streams.delivery.writer.TELL_SECONDS", 1e9)
    found = requests_of_batches(deploy(apache_kafka).settings, monkeypatch)
    assert min(found, key=Counter.total) == {"ProduceRequest": 1, "EndTxnRequest": 1}
    assert [requests["TxnOffsetCommitRequest"] > 0 for requests in found] == [True, False, False, False, False]


@pytest.mark.usefixtures("apache_kafka")
def test_requests_for_a_batch_exactly_once_without_transactions_v2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cluster has not agreed on them."""
    monkeypatch.setattr("streams.delivery.writer.TELL_SECONDS", 1e9)
    with ApacheKafka(features={"transaction.version": 0}) as kafka:
        found = requests_of_batches(deploy(kafka).settings, monkeypatch)
    names = ["AddPartitionsToTxn", "Produce", "EndTxn"]
    assert min(found, key=Counter.total) == {f"{name}Request": 1 for name in names}
    assert [requests["AddOffsetsToTxnRequest"] > 0 for requests in found] == [True, False, False, False, False]
