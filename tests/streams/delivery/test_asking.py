"""What is asked again and what is not, with brokers that answer as told, in virtual time."""

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InvalidTxnState,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownError,
)

from streams.delivery.asking import TransactionAbortableError
from streams.delivery.producing import RETRY_MS, RecordBatch
from streams.delivery.transactionv2 import SETTLE_SECONDS, Transactions
from streams.delivery.transactionwire import Place, Producer
from tests.support.virtual import virtually

CHANGELOG, CARTS = ("changelog", 0), ("carts", 0)


class Builder:
    """A record batch of which nobody looks at the bytes."""

    def __init__(self) -> None:
        self.states: list[tuple[int, ...]] = []

    def _set_producer_state(self, *state: int) -> None:
        self.states.append(state)

    def _build(self) -> bytes:
        return b"batch %d" % len(self.states)

    def size(self) -> int:
        return 7


class Client:
    """Answers are told by the kind of request, in their order; all is well when there are none left."""

    def __init__(self, leaders: dict[Place, int] | None = None) -> None:
        self.answers: dict[str, deque[Any]] = {}
        self.sent: list[tuple[str, int, Any]] = []
        self.refreshed = self.looked_up = 0
        self.leaders = leaders or {}
        self.cluster = SimpleNamespace(leader_for_partition=lambda place: self.leaders.get(tuple(place), 1))
        self._epoch = 0

    async def _wait_on_metadata(self, _topic: str) -> None: ...

    async def force_metadata_update(self) -> None:
        self.refreshed += 1

    async def coordinator_lookup(self, _kind: int, _key: str) -> int:
        self.looked_up += 1
        return self.looked_up

    async def send(self, node: int, request: Any, group: int = 0) -> Any:
        del group
        name = type(request).__name__.removesuffix("Request")
        self.sent.append((name, node, request))
        told = self.answers.get(name) or deque([0])
        answer = told.popleft()
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, SimpleNamespace):
            return answer
        if name in {"InitProducerId", "EndTxn"}:
            self._epoch += not answer
            return SimpleNamespace(error_code=answer, producer_id=5, producer_epoch=self._epoch)
        places = [
            (topic, entry if isinstance(entry, int) else entry[0]) for topic, es, _ in request.topics for entry in es
        ]
        codes = answer if isinstance(answer, dict) else dict.fromkeys(places, answer)
        return SimpleNamespace(errors={place: codes.get(place, 0) for place in places})

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.sent]


def batch(place: Place, records: int = 2) -> RecordBatch:
    return RecordBatch(Builder(), *place, records, b"ann")


def committing(client: Client, *batches: RecordBatch, **told: list[Any]) -> Transactions:
    """One transaction, in virtual time; the brokers answer as `told`."""

    async def scenario() -> Transactions:
        transactions = Transactions(client, "id", 15_000)
        await transactions.open()
        client.sent.clear()
        client.answers = {name: deque(answers) for name, answers in told.items()}
        await transactions.commit(batches or [batch(CHANGELOG)], "group", {CARTS: 3})
        return transactions

    return virtually(scenario())


@pytest.mark.parametrize("code", [51, 14, 15, 16, 19, 20, 6, 7], ids=str)
@pytest.mark.parametrize("kind", ["Produce", "TxnOffsetCommit", "EndTxn"])
def test_what_passes_is_asked_again(kind: str, code: int) -> None:
    """CONCURRENT_TRANSACTIONS, coordinators that load, move or are away, too few copies, another leader, a time-out."""
    client = Client()
    found = committing(client, **{kind: [code, code]})
    expected = ["Produce", "TxnOffsetCommit", "EndTxn"]
    expected[expected.index(kind) : expected.index(kind) + 1] = [kind] * 3
    assert client.names == expected
    assert found.producer == Producer(5, 2)
    first, *others = [request.encode() for name, _, request in client.sent if name == kind]
    assert others == [first, first]


@pytest.mark.parametrize("lost", [KafkaConnectionError(), RequestTimedOutError()])
@pytest.mark.parametrize("kind", ["Produce", "TxnOffsetCommit", "EndTxn"])
def test_what_is_not_answered_is_asked_again(kind: str, lost: KafkaError) -> None:
    client = Client()
    committing(client, **{kind: [lost]})
    assert client.names.count(kind) == 2


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (47, ProducerFenced),
        (90, ProducerFenced),
        (120, TransactionAbortableError),
        (48, InvalidTxnState),
        (53, TransactionalIdAuthorizationFailed),
        (45, OutOfOrderSequenceNumber),
        (-1, UnknownError),
        (999, UnknownError),
    ],
)
@pytest.mark.parametrize("kind", ["Produce", "TxnOffsetCommit", "EndTxn"])
def test_what_does_not_pass_is_raised(kind: str, code: int, error: type[KafkaError]) -> None:
    client = Client()
    with pytest.raises(error):
        committing(client, **{kind: [code]})
    assert client.names[-1] == kind


def test_a_right_that_is_missing_is_named_before_all_else() -> None:
    with pytest.raises(TopicAuthorizationFailedError) as topic:
        committing(Client(), batch(CHANGELOG), batch(CARTS), Produce=[{CHANGELOG: 48, CARTS: 29}])
    assert topic.value.args == ("carts",)
    with pytest.raises(GroupAuthorizationFailedError) as group:
        committing(Client(), TxnOffsetCommit=[30])
    assert group.value.args == ("group",)


def test_what_is_too_large_says_what_it_is() -> None:
    with pytest.raises(MessageSizeTooLargeError, match="a batch of 2 records has 7 bytes"):
        committing(Client(), batch(CARTS), Produce=[10])


def test_only_what_was_not_taken_is_sent_again() -> None:
    """A batch that was taken before, and was not answered, is taken."""
    client = Client()
    committing(client, batch(CHANGELOG), batch(CARTS), Produce=[{CHANGELOG: 46, CARTS: 6}])
    first, second = (request for name, _, request in client.sent if name == "Produce")
    assert [topic for topic, _, _ in first.topics] == ["changelog", "carts"]
    assert [topic for topic, _, _ in second.topics] == ["carts"]
    assert client.refreshed == 1


def test_batches_of_a_partition_go_one_after_the_other() -> None:
    client, three = Client(), [batch(CHANGELOG, records) for records in (3, 4, 5)]
    committing(client, *three)
    assert client.names == ["Produce", "Produce", "Produce", "TxnOffsetCommit", "EndTxn"]
    assert [each.builder.states for each in three] == [[(5, 1, 0)], [(5, 1, 3)], [(5, 1, 7)]]


def test_partitions_of_several_leaders_are_added_first() -> None:
    client = Client({CHANGELOG: 1, CARTS: 2})
    committing(client, batch(CHANGELOG), batch(CARTS), AddPartitionsToTxn=[51, 0])
    assert client.names == ["AddPartitionsToTxn"] * 2 + ["Produce"] * 2 + ["TxnOffsetCommit", "EndTxn"]
    assert sorted(node for name, node, _ in client.sent if name == "Produce") == [1, 2]


@pytest.mark.parametrize("code", [15, 16])
def test_a_coordinator_that_has_moved_is_looked_for(code: int) -> None:
    client = Client()
    committing(client, EndTxn=[code])
    first, second = (node for name, node, _ in client.sent if name == "EndTxn")
    assert first != second


@pytest.mark.parametrize(("after", "asked"), [(0.0, 3), (SETTLE_SECONDS + 0.001, 1)])
def test_so_soon_after_a_transaction_its_markers_are_waited_for(after: float, asked: int) -> None:
    """Asked to end it again, the coordinator says that it is not done yet, and then what it said before."""

    async def scenario() -> None:
        client = Client()
        transactions = Transactions(client, "id", 15_000)
        await transactions.open()
        await transactions.commit([batch(CHANGELOG)])
        await asyncio.sleep(after)
        client.sent.clear()
        same = SimpleNamespace(error_code=0, producer_id=5, producer_epoch=2)
        client.answers = {"EndTxn": deque([51, same, 0] if asked == 3 else [0])}
        began = asyncio.get_running_loop().time()
        await transactions.commit([batch(CHANGELOG)])
        assert client.names == ["EndTxn"] * (asked - 1) + ["Produce", "EndTxn"]
        assert asyncio.get_running_loop().time() - began < RETRY_MS / 1000
        assert transactions.producer == Producer(5, 3)

    virtually(scenario())


def test_an_end_that_gives_no_newer_producer_is_an_error() -> None:
    """Without it nothing would keep what comes late away."""
    same = SimpleNamespace(error_code=0, producer_id=5, producer_epoch=1)
    with pytest.raises(KafkaError, match="no newer one"):
        committing(Client(), EndTxn=[same])
