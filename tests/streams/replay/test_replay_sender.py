"""The sender of replays, with a producer that is not one: order, and what is not taken."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from streams.replay import ReplayError
from streams.replay.sender import Sender
from tests.support.replays import Record


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
