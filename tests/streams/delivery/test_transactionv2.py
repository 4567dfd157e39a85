"""Transactions v2 on Apache Kafka: what is asked, whose epoch it is, and when the former way is gone."""

import asyncio
from collections.abc import Iterator

import pytest
from aiokafka.errors import IllegalOperation, ProducerFenced

from streams.delivery.transactionv2 import Transactions
from streams.delivery.transactionwire import InitProducerIdRequest, Producer
from streams.delivery.writer import TransactionalWriter
from streams.errors import FencedError
from tests.support.brokers import ApacheKafka
from tests.support.network import Network
from tests.support.workers import deploy
from tests.support.writing import committed, name, rows

LAST_EPOCH = 2**15 - 2
"""The last one that a transaction has: the next one is of another producer id."""


@pytest.fixture(scope="module", params=[0, 1])
def former_level(request: pytest.FixtureRequest, java: None) -> Iterator[ApacheKafka]:  # noqa: ARG001 - it may skip
    """A cluster whose brokers know transactions v2, but that has not agreed on them."""
    with ApacheKafka(features={"transaction.version": request.param}) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def three(java: None) -> Iterator[ApacheKafka]:  # noqa: ARG001 - it may skip
    with ApacheKafka(nodes=3) as kafka:
        yield kafka


def of(writer: TransactionalWriter) -> Transactions:
    assert writer._v2 is not None
    return writer._v2


def asked(network: Network) -> list[tuple[str, int]]:
    """What was sent since the last time, and in which version; without those of which the connection chooses that."""
    found = [(name(request), request.API_VERSION) for request in network.requests if hasattr(request, "API_VERSION")]
    network.requests.clear()
    return found


def test_a_batch_takes_two_requests_and_three_with_offsets(apache_kafka: ApacheKafka, network: Network) -> None:
    to = deploy(apache_kafka)

    async def scenario() -> None:
        writer = TransactionalWriter(to.settings, 0, {})
        await writer.open()
        await writer.write(rows("first"), {}, {to.topic("carts"): 1})
        await asyncio.sleep(0.1)
        network.requests.clear()
        await writer.write(rows("state"), {to.topic("triggers.cart"): rows("trigger")}, {})
        assert asked(network) == [("Produce", 12), ("EndTxn", 5)]
        await asyncio.sleep(0.1)
        writer._tell_at = 0.0
        await writer.write(rows("state"), {}, {to.topic("carts"): 2})
        assert asked(network) == [("Produce", 12), ("TxnOffsetCommit", 5), ("EndTxn", 5)]
        await writer.close()

    asyncio.run(scenario())
    assert committed(to) == ["first", "state", "state"]


def test_without_anything_to_write_there_is_no_transaction(apache_kafka: ApacheKafka, network: Network) -> None:
    """Brokers refuse to end one that they know nothing of."""
    to = deploy(apache_kafka)

    async def scenario() -> None:
        writer = TransactionalWriter(to.settings, 0, {})
        await writer.open()
        network.requests.clear()
        await writer.write([], {to.topic("triggers.cart"): []}, {})
        await writer.tell(at_once=True)
        assert asked(network) == []
        await writer.write([], {}, {to.topic("carts"): 3})
        assert asked(network)[-1] == ("EndTxn", 5)
        await writer.write(rows("one"), {}, {})
        await writer.close()

    asyncio.run(scenario())
    assert committed(to) == ["one"]


def test_who_comes_too_soon_waits_for_the_markers(apache_kafka: ApacheKafka, network: Network) -> None:
    """By asking for the end again, which changes nothing."""
    to = deploy(apache_kafka)

    async def scenario() -> None:
        writer = TransactionalWriter(to.settings, 0, {})
        await writer.open()
        await writer.write(rows("0"), {}, {})
        network.requests.clear()
        first = of(writer).producer
        for number in range(1, 20):
            await writer.write(rows(str(number)), {}, {})
            found = asked(network)
            assert found[-2:] == [("Produce", 12), ("EndTxn", 5)]
            assert set(found[:-2]) <= {("EndTxn", 5)}
            assert of(writer).producer == Producer(first.id, first.epoch + number)
        await writer.close()

    asyncio.run(scenario())
    assert committed(to) == [str(number) for number in range(20)]


def test_several_leaders(three: ApacheKafka, network: Network) -> None:
    """One request adds the partitions of all: each alone would hold the others up."""
    to = deploy(three)
    topics = [to.settings.changelog, *to.settings.outputs]

    async def scenario() -> None:
        writer = TransactionalWriter(to.settings, 0, {})
        await writer.open()
        leaders = len(await of(writer)._ask.leaders([(topic, 0) for topic in topics]))
        assert leaders > 1
        for number in range(5):
            network.requests.clear()
            values = [str(number) * (600 << 10), "b" * (600 << 10), str(number)]  # several batches of a partition
            await writer.write(rows(*values), dict.fromkeys(to.settings.outputs, rows(str(number))), {})
            found = asked(network)
            added = [at for at, one in enumerate(found) if one == ("AddPartitionsToTxn", 3)]
            assert added
            assert added[-1] < found.index(("Produce", 12))
            assert found[-1] == ("EndTxn", 5)
            await asyncio.sleep(0.2)
        await writer.close()

    asyncio.run(scenario())
    assert [value[:1] for value in committed(to)] == [letter for number in "01234" for letter in (number, "b", number)]
    for topic in to.settings.outputs:
        assert committed(to, topic) == list("01234")


def test_a_cluster_that_has_not_agreed_on_it(former_level: ApacheKafka, network: Network) -> None:
    """Its brokers have the versions: that is not enough."""
    to = deploy(former_level)

    async def scenario() -> None:
        writer = TransactionalWriter(to.settings, 0, {})
        await writer.open()
        assert writer._v2 is None
        network.requests.clear()
        await writer.write(rows("one"), {}, {})
        assert {"AddPartitionsToTxnRequest", "ProduceRequest", "EndTxnRequest"} <= {
            type(request).__name__ for request in network.requests
        }
        await writer.close()

    asyncio.run(scenario())
    assert committed(to) == ["one"]


def test_what_was_not_ended_is_gone_after_a_take_over(apache_kafka: ApacheKafka) -> None:
    """A worker that dies between its Produce and its EndTxn; it may come to again."""
    to = deploy(apache_kafka)

    async def scenario() -> None:
        first, second = TransactionalWriter(to.settings, 0, {}), TransactionalWriter(to.settings, 0, {})
        await first.open()
        await first.write(rows("one"), {}, {})
        await of(first)._produce(first.batches(to.settings.changelog, rows("half")))
        await second.open()
        await second.write(rows("two"), {}, {})
        with pytest.raises(ProducerFenced):
            await of(first)._end()
        with pytest.raises(FencedError):
            await first.write(rows("late"), {}, {})
        await first.close()
        await second.write(rows("three"), {}, {})
        await second.close()

    asyncio.run(scenario())
    assert committed(to) == ["one", "two", "three"]


def test_after_an_error_no_transaction_is_begun(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)

    async def scenario() -> None:
        writer = TransactionalWriter(to.settings, 0, {})
        await writer.open()
        transactions = of(writer)

        async def breaks(_batches: object) -> None:
            raise TimeoutError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transactions, "_produce", breaks)
            with pytest.raises(TimeoutError):
                await writer.write(rows("one"), {}, {})
        with pytest.raises(IllegalOperation):
            await transactions.commit(writer.batches(to.settings.changelog, rows("two")))
        await writer.close()

    asyncio.run(scenario())
    assert committed(to) == []


def test_when_the_epochs_of_a_producer_are_used_up_another_one_follows(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka)

    async def scenario() -> None:
        writer = TransactionalWriter(to.settings, 0, {})
        await writer.open()
        transactions = of(writer)
        request = InitProducerIdRequest.of(to.settings.transactional_id(0), 15_000)
        while transactions.producer.epoch < LAST_EPOCH - 1:
            found = await transactions._ask.coordinate(request)
            transactions.producer = Producer(found.producer_id, found.producer_epoch)
        whose = []
        for number in range(4):
            whose.append(transactions.producer)
            await writer.write(rows(str(number)), {}, {})
        before, last, first, second = whose
        assert (before.epoch, last.epoch, first.epoch, second.epoch) == (LAST_EPOCH - 1, LAST_EPOCH, 0, 1)
        assert before.id == last.id != first.id == second.id
        await writer.close()

    asyncio.run(scenario())
    assert committed(to) == list("0123")
