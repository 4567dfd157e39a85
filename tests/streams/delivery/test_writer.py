"""Writing on Apache Kafka while answers are lost or late: nothing is committed by halves, nothing after the end.

With both protocols of transactions; requests of the same name are the same in both.
"""

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    ConcurrentTransactions,
    InvalidProducerIdMapping,
    KafkaConnectionError,
    KafkaError,
    RequestTimedOutError,
)
from aiokafka.producer.sender import AddPartitionsToTxnHandler
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.protocol.transaction import AddPartitionsToTxnResponse_v0
from kafka import TopicPartition as Place

from streams.brokers.topics import admin
from streams.delivery.producing import RETRY_MS
from streams.delivery.writer import TransactionalWriter
from streams.errors import FencedError
from streams.settings import Settings
from tests.support.brokers import ApacheKafka
from tests.support.network import Answer, Network
from tests.support.topics_io import now
from tests.support.workers import Deployment, deploy
from tests.support.writing import committed, held_back, name, rows


@pytest.fixture(scope="module")
def former_kafka(java: None) -> Iterator[ApacheKafka]:  # noqa: ARG001 - it may skip
    """A cluster that has not finalized transactions v2."""
    with ApacheKafka(features={"transaction.version": 0}) as kafka:
        yield kafka


@pytest.fixture(params=["apache_kafka", "former_kafka"], ids=["v2", "v1"])
def kafka(request: pytest.FixtureRequest) -> ApacheKafka:
    """Both ways."""
    found: ApacheKafka = request.getfixturevalue(request.param)
    return found


async def half(writer: TransactionalWriter, *values: str) -> None:
    """A transaction that is not ended."""
    written = writer.settings.changelog, rows(*values)
    if writer._v2 is not None:
        await writer._v2._produce(writer.batches(*written))
        return
    await writer.producer.begin_transaction()
    for batch in await writer.send(*written):
        await batch.taken()


def writer_of(to: Deployment) -> TransactionalWriter:
    return TransactionalWriter(to.settings, 0, {})


def test_a_coordinator_that_still_ends_the_transaction_before_is_asked_again_soon() -> None:
    """Aiokafka would wait for 20 ms; held to its code, which is private."""

    async def pause() -> float:
        sender = SimpleNamespace(_txn_manager=TransactionManager("t", 1_000), _retry_backoff=1.0)
        busy = AddPartitionsToTxnResponse_v0(0, [("t", [(0, ConcurrentTransactions.errno)])])
        seconds: float = AddPartitionsToTxnHandler(sender, []).handle_response(busy)
        return seconds

    assert asyncio.run(pause()) == RETRY_MS / 1000


def test_the_group_is_told_now_and_then_and_at_the_end(kafka: ApacheKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    to = deploy(kafka)
    topic = to.settings.topic("carts")
    monkeypatch.setattr("streams.delivery.writer.TELL_SECONDS", 1e9)

    def told() -> int:
        with admin(to.settings) as client:
            offsets = client.list_group_offsets({to.settings.group_id: [Place(topic, 0)]})
        return int(offsets[to.settings.group_id][Place(topic, 0)].offset)

    async def scenario() -> list[int]:
        writer, found = writer_of(to), []
        await writer.open()
        for offset in (1, 2, 3):
            await writer.write(rows(f"{offset}"), {}, {topic: offset})
        found.append(await asyncio.to_thread(told))
        await writer.tell()
        found.append(await asyncio.to_thread(told))
        await writer.tell(at_once=True)
        found.append(await asyncio.to_thread(told))
        await writer.close()
        return found

    assert asyncio.run(scenario()) == [1, 1, 3]
    assert committed(to) == ["1", "2", "3"]


def test_an_end_that_is_not_answered_leaves_the_outcome_unknown(former_kafka: ApacheKafka, network: Network) -> None:
    """It took effect, only the answer was lost: aiokafka asks again, and would go on."""
    to = deploy(former_kafka)

    async def scenario() -> None:
        writer = writer_of(to)
        await writer.open()
        await writer.write(rows("one"), {}, {})
        lost: list[Any] = []

        async def lose(request: Any, answer: Answer) -> Any:
            found = await answer()
            if name(request) == "EndTxn" and not lost:
                lost.append(request)
                raise KafkaConnectionError("connection reset")
            return found

        network.handle = lose
        with pytest.raises(KafkaConnectionError, match="it may come twice"):
            await writer.write(rows("two"), {}, {})
        await writer.close()
        await writer.open()
        await writer.write(rows("three"), {}, {})
        await writer.close()

    asyncio.run(scenario())
    assert committed(to) == ["one", "two", "three"]


@pytest.mark.parametrize("anew", [True, False], ids=["a-new-epoch", "the-same-epoch"])
def test_a_late_end_does_not_end_the_next_transaction(former_kafka: ApacheKafka, network: Network, anew: bool) -> None:
    """Of the same epoch it would, halfway: the reason why the writer is opened anew where that may be."""
    to = deploy(former_kafka)

    async def scenario() -> None:
        writer = writer_of(to)
        await writer.open()
        late = held_back(network, "EndTxn")
        client = writer.producer.client
        with pytest.raises(KafkaConnectionError):
            await writer.write(rows("one"), {}, {})
        first = writer.producer
        if anew:
            writer = writer_of(to)
            await writer.open()
        await half(writer, "half")
        assert client is first.client
        answer = await late[0]()
        assert (answer.error_code != 0) is anew
        await writer.close()
        await first.stop()

    asyncio.run(scenario())
    assert committed(to) == (["one"] if anew else ["one", "half"])


def test_with_v2_an_end_that_is_not_answered_is_asked_for_again(apache_kafka: ApacheKafka, network: Network) -> None:
    """It took effect, only the answer was lost: the next one tells the same."""
    to = deploy(apache_kafka)

    async def scenario() -> None:
        writer = writer_of(to)
        await writer.open()
        lost: list[Any] = []

        async def lose(request: Any, answer: Answer) -> Any:
            found = await answer()
            if name(request) == "EndTxn" and len(lost) < 2:
                lost.append(found)
                raise RequestTimedOutError if len(lost) > 1 else KafkaConnectionError
            return found

        network.handle = lose
        await writer.write(rows("one"), {}, {})
        await writer.write(rows("two"), {}, {})
        assert len(lost) == 2
        await writer.close()

    asyncio.run(scenario())
    assert committed(to) == ["one", "two"]


def test_with_v2_a_late_end_is_refused(apache_kafka: ApacheKafka, network: Network) -> None:
    """That was not answered, and asked for again: the transaction that goes on meanwhile is of another epoch."""
    to = deploy(apache_kafka)

    async def scenario() -> None:
        writer = writer_of(to)
        await writer.open()
        late = held_back(network, "EndTxn")
        await writer.write(rows("one"), {}, {})
        await half(writer, "half")
        found = await late[0]()
        assert found.error_code == 90, "PRODUCER_FENCED"
        assert writer._v2 is not None
        await writer._v2._end()
        await writer.close()

    asyncio.run(scenario())
    assert committed(to) == ["one", "half"]


@pytest.mark.parametrize("ended", [True, False], ids=["after-its-end", "in-the-next-one"])
def test_with_v2_late_records_are_refused(apache_kafka: ApacheKafka, network: Network, ended: bool) -> None:
    """A Produce that was not answered, and was sent again."""
    to = deploy(apache_kafka)

    async def scenario() -> None:
        writer = writer_of(to)
        await writer.open()
        late = held_back(network, "Produce")
        await writer.write(rows("one"), {}, {})
        assert writer._v2 is not None
        await writer._v2._settle()
        if not ended:
            await half(writer, "half")
        found = await late[0]()
        assert any(found.errors.values())
        if not ended:
            await writer._v2._end()
        await writer.close()

    asyncio.run(scenario())
    assert committed(to) == (["one"] if ended else ["one", "half"])


@pytest.mark.parametrize(
    ("way", "kind", "fails"),
    [
        ("former_kafka", "InitProducerId", ""),
        ("former_kafka", "Produce", ""),
        ("former_kafka", "EndTxn", ""),
        ("former_kafka", "FindCoordinator", "AddPartitionsToTxn"),
        ("former_kafka", "FindCoordinator", "EndTxn"),
        ("apache_kafka", "ApiVersions", ""),
        ("apache_kafka", "InitProducerId", ""),
        ("apache_kafka", "Produce", ""),
        ("apache_kafka", "TxnOffsetCommit", ""),
        ("apache_kafka", "EndTxn", ""),
        ("apache_kafka", "FindCoordinator", "EndTxn"),
    ],
)
def test_a_closed_writer_sends_nothing_more(
    request: pytest.FixtureRequest, network: Network, way: str, kind: str, fails: str
) -> None:
    """Whatever it was waiting for when it was broken off: another one may have opened since.

    `fails`: only once such a request has failed. aiokafka would send all of these again.
    """
    to = deploy(request.getfixturevalue(way))

    async def scenario() -> None:
        writer, reached, held = writer_of(to), asyncio.Event(), asyncio.Event()

        failed = not fails

        async def hold(request: Any, answer: Answer) -> Any:
            nonlocal failed
            if name(request) == fails:
                failed = True
                raise RequestTimedOutError
            if failed and not held.is_set() and name(request) == kind:
                reached.set()
                await held.wait()
                raise RequestTimedOutError
            return await answer()

        network.handle = hold

        async def work() -> None:
            await writer.open()
            await writer.write(rows("broken off"), {}, {to.topic("carts"): 1})

        working = asyncio.create_task(work())
        await asyncio.wait_for(reached.wait(), 60)
        working.cancel()
        await asyncio.wait((working,))
        await writer.close()
        network.requests.clear()
        held.set()
        await asyncio.sleep(0.5)
        assert network.requests == []

        network.handle = lambda _request, answer: answer()
        other = writer_of(to)
        await other.open()
        await other.write(rows("other"), {}, {})
        await other.close()

    asyncio.run(scenario())
    assert committed(to) == ["other"]


@pytest.mark.parametrize("around", [1 << 20, 1 << 19], ids=["one-of-a-batch", "two-of-a-batch"])
def test_whatever_the_sizes_all_of_it_is_committed_in_order(kafka: ApacheKafka, around: int) -> None:
    """A record that does not fit into a batch goes into the next, of the same transaction."""
    to = deploy(kafka)
    values = [str(n) * (around + over) for n, over in enumerate((-200, -100, -90, -60, -1, 0, 1, 1 << 20))]

    async def scenario() -> None:
        writer = writer_of(to)
        await writer.open()
        await writer.write(rows("before", *values, "after"), {}, {})
        await writer.close()

    asyncio.run(scenario())
    assert committed(to) == ["before", *values, "after"]


def test_a_transaction_that_makes_no_progress_is_given_up(
    kafka: ApacheKafka, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aiokafka itself would ask for ever."""
    monkeypatch.setattr("streams.delivery.writer.STEP_SECONDS", 1.0)
    to = deploy(kafka)

    async def scenario(kind: str) -> None:
        async def refuse(request: Any, answer: Answer) -> Any:
            if name(request) == kind:
                raise RequestTimedOutError
            return await answer()

        network.handle = refuse
        writer = writer_of(to)
        await writer.open()
        with pytest.raises(TimeoutError):
            await writer.write(rows("never"), {}, {to.topic("carts"): 1})
        await writer.close()
        network.handle = lambda _request, answer: answer()

    for kind in ("Produce", "TxnOffsetCommit", "EndTxn"):
        asyncio.run(scenario(kind))
    assert committed(to) == []


def forgotten(settings: Settings) -> None:
    """Return when the brokers know the transactional id of partition 0 no longer."""
    id_ = settings.transactional_id(0)
    with admin(settings) as client:
        while any(told.transactional_id == id_ for found in client.list_transactions().values() for told in found):
            time.sleep(0.1)


@pytest.mark.usefixtures("apache_kafka")
@pytest.mark.parametrize("level", [2, 0], ids=["v2", "v1"])
def test_an_id_that_the_brokers_have_forgotten_is_told_again(level: int) -> None:
    """After a week without a batch they know nothing of it: the next one fails, and the one after it does not."""
    forgetful = {
        "transactional.id.expiration.ms": "1000",
        "transaction.remove.expired.transaction.cleanup.interval.ms": "200",
    }
    with ApacheKafka(properties=forgetful, features={"transaction.version": level}) as kafka:
        to = deploy(kafka)

        async def scenario() -> None:
            writer = writer_of(to)
            await writer.open()
            await writer.write(rows("one"), {}, {})
            await asyncio.to_thread(forgotten, to.settings)
            with pytest.raises(KafkaError) as failed:
                await writer.write(rows("two"), {}, {})
            assert isinstance(failed.value if level else failed.value.__cause__, InvalidProducerIdMapping)
            await writer.close()
            await writer.open()
            await writer.write(rows("two"), {}, {})
            await writer.close()

        asyncio.run(asyncio.wait_for(scenario(), 60))
        assert committed(to) == ["one", "two"]


def test_records_have_the_time_of_sending(kafka: ApacheKafka) -> None:
    """Not that of events: what a replay of 1997 makes would fall to retention at once."""
    to = deploy(kafka)
    began = now()

    async def scenario() -> None:
        writer = writer_of(to)
        await writer.open()
        await writer.write(rows("state"), {to.topic("triggers.cart"): rows("trigger")}, {})
        await writer.close()

    asyncio.run(scenario())
    with admin(to.settings) as client:
        for topic in (to.settings.changelog, to.topic("triggers.cart")):
            place = Place(topic, 0)
            found = client.list_partition_offsets({place: began})[place]
            assert found.offset == 0
            assert began <= found.timestamp <= now()


def test_who_opens_last_writes(kafka: ApacheKafka) -> None:
    to = deploy(kafka)

    async def scenario() -> None:
        first, second = writer_of(to), writer_of(to)
        await first.open()
        await half(first, "open")
        await second.open()
        await second.write(rows("second"), {}, {})
        await first.close()
        await first.open()
        with pytest.raises(FencedError):
            await second.write(rows("fenced"), {}, {})
        await first.write(rows("first"), {}, {})
        await first.close()
        await second.close()

    asyncio.run(scenario())
    assert committed(to) == ["second", "first"]
